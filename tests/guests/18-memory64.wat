;; A memory of 64-bit addresses.
;; expect: load.feature
(component
  ;; include: world
  (core module (memory i64 1))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
