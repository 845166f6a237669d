;; Calls a component inside it, which the component model forbids to the one around it.
;; expect: load.configure (fault.abi)
(component
  ;; include: world
  (component $Cell
    (core module $m
      (global $g (mut i32) (i32.const 0))
      (func (export "set") (param i32) (global.set $g (local.get 0)))
      (func (export "get") (result i32) (global.get $g)))
    (core instance $i (instantiate $m))
    (func (export "set") (param "x" u32) (canon lift (core func $i "set")))
    (func (export "get") (result u32) (canon lift (core func $i "get"))))
  (instance $cell (instantiate $Cell))
  (core func $set (canon lower (func $cell "set")))
  (core func $get (canon lower (func $cell "get")))
  (core module $Main
    (import "cell" "set" (func $set (param i32)))
    (import "cell" "get" (func $get (result i32)))
    (memory (export "memory") 1)
    ;; include: realloc
    ;; include: answer
    (func (export "configure") (param i32 i32) (result i32)
      (call $set (i32.const 64))
      (i32.const 1024))
    (func (export "evaluate") (param i32 i32) (result i32) (call $get)))
  (core instance $main (instantiate $Main (with "cell" (instance (export "set" (func $set)) (export "get" (func $get))))))
  ;; include: lift
)
