;; A slot of the task that runs.
;; expect: load.feature
(component
  ;; include: world
  (core func (canon context.get i32 0))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
