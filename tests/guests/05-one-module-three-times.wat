;; One module of 6 MiB, instantiated three times.
;; expect: load.resources
(component
  ;; include: world
  (core module $Other (memory 96))
  (core instance (instantiate $Other))
  (core instance (instantiate $Other))
  (core instance (instantiate $Other))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
