;; Instantiates one module twice and keeps what was configured in one of them: no snapshot can hold that.
;; expect: allow
;; mode: configure-each-time
(component
  ;; include: world
  (core module $Cell
    (global $g (mut i32) (i32.const 0))
    (func (export "set") (param i32) (global.set $g (local.get 0)))
    (func (export "get") (result i32) (global.get $g)))
  (core instance $one (instantiate $Cell))
  (core instance $two (instantiate $Cell))
  (core module $Main
    (import "one" "set" (func $set (param i32)))
    (import "one" "get" (func $get (result i32)))
    (import "two" "get" (func $other (result i32)))
    (memory (export "memory") 1)
    ;; include: realloc
    ;; include: answer
    (func (export "configure") (param i32 i32) (result i32)
      (call $set (i32.const 64))
      (i32.const 1024))
    (func (export "evaluate") (param i32 i32) (result i32)
      (if (call $other) (then (unreachable)))
      (call $get)))
  (core instance $main (instantiate $Main (with "one" (instance $one)) (with "two" (instance $two))))
  ;; include: lift
)
