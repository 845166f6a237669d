;; A type of functions that may suspend.
;; expect: load.feature
(component
  ;; include: world
  (type (func async))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
