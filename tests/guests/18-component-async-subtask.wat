;; Drops a task.
;; expect: load.feature
(component
  ;; include: world
  (core func (canon subtask.drop))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
