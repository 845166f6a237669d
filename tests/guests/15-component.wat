;; Imports a component: code that nobody inspected.
;; expect: load.world
(component
  ;; include: world
  (import "code" (component))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
