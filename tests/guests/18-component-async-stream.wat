;; A type of streams.
;; expect: load.feature
(component
  ;; include: world
  (type (stream u8))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
