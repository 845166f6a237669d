;; An error with a history.
;; expect: load.feature
(component
  ;; include: world
  (core func (canon error-context.drop))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
