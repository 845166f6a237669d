;; Starts a thread.
;; expect: load.feature
(component
  ;; include: world
  (core func (canon thread.available_parallelism))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
