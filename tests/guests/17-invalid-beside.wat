;; The policy itself is valid; a core module beside it, which nobody instantiates, is not.
;; expect: load.format
(component
  ;; include: world
  (core module (func (result i64) (i32.const 0)))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
