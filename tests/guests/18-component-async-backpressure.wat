;; Tells its callers to wait.
;; expect: load.feature
(component
  ;; include: world
  (core func (canon backpressure.inc))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
