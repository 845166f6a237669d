;; Exports a function that may suspend.
;; expect: load.feature
(component
  ;; include: world
  (core module $A
    (memory (export "memory") 1)
    (func (export "f") (result i32) (i32.const 0))
    (func (export "cb") (param i32 i32 i32) (result i32) (i32.const 0)))
  (core instance $a (instantiate $A))
  (alias core export $a "f" (core func $f))
  (alias core export $a "cb" (core func $cb))
  (type $later (func async))
  (func (type $later) (canon lift (core func $f) async (callback $cb)))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
