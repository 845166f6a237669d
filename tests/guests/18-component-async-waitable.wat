;; Waits for whatever comes first.
;; expect: load.feature
(component
  ;; include: world
  (core module $A (memory (export "memory") 1))
  (core instance $a (instantiate $A))
  (core func (canon waitable-set.new))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
