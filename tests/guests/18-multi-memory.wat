;; Two memories in one module.
;; expect: load.feature
(component
  ;; include: world
  (core module (memory 1) (memory 1))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
