;; A map.
;; expect: load.feature
(component
  ;; include: world
  (type (map string u8))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
