;; Makes a handle while it is configured and uses it when it evaluates. Whether that works must not depend on
;; how the host keeps what was configured.
;; expect: allow
;; mode: configure-each-time
(component
  ;; include: world
  (type $r (resource (rep i32)))
  (core func $new (canon resource.new $r))
  (core func $rep (canon resource.rep $r))
  (core module $Main
    (import "r" "new" (func $new (param i32) (result i32)))
    (import "r" "rep" (func $rep (param i32) (result i32)))
    (memory (export "memory") 1)
    ;; include: realloc
    ;; include: answer
    (global $handle (mut i32) (i32.const 0))
    (func (export "configure") (param i32 i32) (result i32)
      (global.set $handle (call $new (i32.const 7)))
      (i32.const 1024))
    (func (export "evaluate") (param i32 i32) (result i32)
      (if (i32.ne (call $rep (global.get $handle)) (i32.const 7)) (then (unreachable)))
      (i32.const 64)))
  (core instance $main (instantiate $Main
    (with "r" (instance (export "new" (func $new)) (export "rep" (func $rep))))))
  ;; include: lift
)
