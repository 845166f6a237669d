;; A memory that threads share.
;; expect: load.feature
(component
  ;; include: world
  (core module (memory 1 2 shared))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
