;; Imports a function from the network.
;; expect: load.world
(component
  ;; include: world
  (import "url=<https://example.com/policy.wasm>" (func))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
