;; Grows two memories in turn: each of them stays below the limit, their sum does not.
;; expect: fault.memory
;; mode: configure-each-time
(component
  ;; include: world
  (core module $Other
    (memory 1)
    (func (export "grow") (drop (memory.grow (i32.const 150)))))
  (core instance $other (instantiate $Other))
  (core module $Main
    (import "other" "grow" (func $grow))
    ;; include: policy
    (func (export "evaluate") (param i32 i32) (result i32)
      (drop (memory.grow (i32.const 150)))
      (call $grow)
      (i32.const 64)))
  (core instance $main (instantiate $Main (with "other" (instance $other))))
  ;; include: lift
)
