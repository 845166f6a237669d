;; Drops a handle whose destructor traps.
;; expect: fault.trap
(component
  ;; include: world
  (core module $Drop (func (export "drop") (param i32) (unreachable)))
  (core instance $drop (instantiate $Drop))
  (alias core export $drop "drop" (core func $dtor))
  (type $r (resource (rep i32) (dtor $dtor)))
  (core func $new (canon resource.new $r))
  (core func $drop (canon resource.drop $r))
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
