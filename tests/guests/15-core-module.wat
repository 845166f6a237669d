;; Imports a core module: code that nobody inspected.
;; expect: load.world
(component
  ;; include: world
  (import "code" (core module))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
