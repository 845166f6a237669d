;; Exports its own core module.
;; expect: load.world
(component
  ;; include: world
  (core module $m)
  (export "code" (core module $m))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
