;; An honest guest that takes the room of several.
;; expect: allow
;; mode: configure-each-time
(component
  ;; include: world
  (core module $Other (memory 1))
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
