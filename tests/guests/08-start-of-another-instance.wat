;; The policy itself is honest; a second core instance, which nobody calls, loops for ever in its start function.
;; expect: load.configure (fault.fuel)
;; limits: configure-fuel=10_000_000
(component
  ;; include: world
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  (core module $Other
    (start $start)
    (func $start (loop $for_ever (br $for_ever))))
  (core instance (instantiate $Other))
  ;; include: lift
)
