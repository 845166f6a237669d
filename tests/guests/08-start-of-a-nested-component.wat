;; The policy itself is honest; a component inside it holds an instance that loops for ever in its start function.
;; expect: load.configure (fault.fuel)
;; limits: configure-fuel=10_000_000
(component
  ;; include: world
  (component $Inner
    (core module $Other
      (start $start)
      (func $start (loop $for_ever (br $for_ever))))
    (core instance (instantiate $Other)))
  (instance (instantiate $Inner))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
