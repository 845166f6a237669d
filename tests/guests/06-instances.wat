;; 17 core instances, one more than the limit.
;; expect: load.resources
(component
  ;; include: world
  (core module $Other)
  (core instance (instantiate $Other))
  (core instance (instantiate $Other))
  (core instance (instantiate $Other))
  (core instance (instantiate $Other))
  (core instance (instantiate $Other))
  (core instance (instantiate $Other))
  (core instance (instantiate $Other))
  (core instance (instantiate $Other))
  (core instance (instantiate $Other))
  (core instance (instantiate $Other))
  (core instance (instantiate $Other))
  (core instance (instantiate $Other))
  (core instance (instantiate $Other))
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
