;; Every proposal that is on, used: bulk memory, vectors, several results, references to functions, sign extension, conversion
;; without traps, constant expressions, mutable globals.
;; expect: allow
;; mode: configure-each-time
(component
  ;; include: world
  (core module $State (global (export "g") (mut i32) (i32.const 7)))
  (core instance $state (instantiate $State))
  (core module $Main
    (import "state" "g" (global $imported (mut i32)))
    ;; include: policy
    (global $sum i32 (i32.add (i32.const 40) (i32.const 2)))
    (table $functions 1 funcref)
    (elem $passive func $two)
    (data $text "text")
    (func $two (result i32 i32) (i32.const 1) (i32.const 2))
    (func $must (param i32) (if (i32.eqz (local.get 0)) (then (unreachable))))
    (func (export "evaluate") (param i32 i32) (result i32)
      (memory.init $text (i32.const 1024) (i32.const 0) (i32.const 4))
      (memory.copy (i32.const 1028) (i32.const 1024) (i32.const 4))
      (memory.fill (i32.const 1032) (i32.const 1) (i32.const 4))
      (call $must (i32.eq (i32.load (i32.const 1028)) (i32.load (i32.const 1024))))
      (call $must (i32x4.extract_lane 3 (i32x4.add (v128.const i32x4 1 2 3 4) (v128.load (i32.const 1024)))))
      (call $must (i32.eq (i32.add (call $two)) (i32.const 3)))
      (table.init $functions $passive (i32.const 0) (i32.const 0) (i32.const 1))
      (call $must (i32.eqz (ref.is_null (table.get $functions (i32.const 0)))))
      (table.set $functions (i32.const 0) (ref.null func))
      (call $must (i32.eq (i32.extend8_s (i32.const 255)) (i32.const -1)))
      (call $must (i32.eqz (i32.trunc_sat_f64_s (f64.const nan))))
      (call $must (i32.eq (global.get $sum) (i32.const 42)))
      (global.set $imported (i32.const 8))
      (i32.const 64)))
  (core instance $main (instantiate $Main (with "state" (instance $state))))
  ;; include: lift
)
