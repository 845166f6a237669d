;; A table of 64-bit indices.
;; expect: load.feature
(component
  ;; include: world
  (core module (table i64 1 funcref))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
