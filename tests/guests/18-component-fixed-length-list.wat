;; A list of a fixed length.
;; expect: load.feature
(component
  ;; include: world
  (type (list u8 4))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
