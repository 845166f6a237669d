;; Drops a handle whose destructor makes and drops another one, without end.
;; expect: fault.stack
(component
  ;; include: world
  (core module $Table
    (table (export "t") 2 2 funcref)
    (type $new (func (param i32) (result i32)))
    (type $drop (func (param i32)))
    (func (export "drop") (param i32)
      (call_indirect (type $drop) (call_indirect (type $new) (i32.const 7) (i32.const 0)) (i32.const 1))))
  (core instance $table (instantiate $Table))
  (alias core export $table "drop" (core func $dtor))
  (alias core export $table "t" (core table $t))
  (type $r (resource (rep i32) (dtor $dtor)))
  (core func $new (canon resource.new $r))
  (core func $drop (canon resource.drop $r))
  (core module $Fill
    (import "" "t" (table 2 2 funcref))
    (import "" "new" (func $new (param i32) (result i32)))
    (import "" "drop" (func $drop (param i32)))
    (elem (i32.const 0) $new $drop))
  (core instance (instantiate $Fill
    (with "" (instance (export "t" (table $t)) (export "new" (func $new)) (export "drop" (func $drop))))))
  (core module $Main
    (import "r" "new" (func $new (param i32) (result i32)))
    (import "r" "drop" (func $drop (param i32)))
    ;; include: policy
    (func (export "evaluate") (param i32 i32) (result i32)
      (call $drop (call $new (i32.const 7)))
      (i32.const 64)))
  (core instance $main (instantiate $Main
    (with "r" (instance (export "new" (func $new)) (export "drop" (func $drop))))))
  ;; include: lift
)
