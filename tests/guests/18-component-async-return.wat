;; The way in which a function that may suspend returns.
;; expect: load.feature
(component
  ;; include: world
  (core func (canon task.return))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
