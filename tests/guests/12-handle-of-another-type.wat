;; Uses a handle of one type as one of another.
;; expect: fault.abi
(component
  ;; include: world
  (type $r (resource (rep i32)))
  (core func $new (canon resource.new $r))
  (core func $drop (canon resource.drop $r))
  (core func $rep (canon resource.rep $r))
  (type $s (resource (rep i32)))
  (core func $other (canon resource.new $s))
  (core module $Main
    (import "r" "new" (func $new (param i32) (result i32)))
    (import "r" "drop" (func $drop (param i32)))
    (import "r" "rep" (func $rep (param i32) (result i32)))
    (import "r" "other" (func $other (param i32) (result i32)))
    ;; include: policy
    (func (export "evaluate") (param i32 i32) (result i32)
      (local $h i32)
      (drop (call $rep (call $other (i32.const 7))))
      (i32.const 64)))
  (core instance $main (instantiate $Main
    (with "r" (instance (export "new" (func $new)) (export "drop" (func $drop)) (export "rep" (func $rep)) (export "other" (func $other))))))
  ;; include: lift
)
