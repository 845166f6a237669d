;; A function type that threads share.
;; expect: load.feature
(component
  ;; include: world
  (core module (type (shared (func))))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
