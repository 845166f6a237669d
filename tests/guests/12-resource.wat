;; Makes a handle, uses it and drops it, as the component model says.
;; expect: allow
(component
  ;; include: world
  (type $r (resource (rep i32)))
  (core func $new (canon resource.new $r))
  (core func $drop (canon resource.drop $r))
  (core func $rep (canon resource.rep $r))
  (core module $Main
    (import "r" "new" (func $new (param i32) (result i32)))
    (import "r" "drop" (func $drop (param i32)))
    (import "r" "rep" (func $rep (param i32) (result i32)))
    ;; include: policy
    (func (export "evaluate") (param i32 i32) (result i32)
      (local $h i32)
      (local.set $h (call $new (i32.const 7)))
      (if (i32.ne (call $rep (local.get $h)) (i32.const 7)) (then (unreachable)))
      (call $drop (local.get $h))
      (i32.const 64)))
  (core instance $main (instantiate $Main
    (with "r" (instance (export "new" (func $new)) (export "drop" (func $drop)) (export "rep" (func $rep))))))
  ;; include: lift
)
