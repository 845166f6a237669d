;; Two instances, each with a memory below the limit; their sum is above it.
;; expect: load.resources
(component
  ;; include: world
  (core module $Other (memory 129))
  (core instance (instantiate $Other))
  (core module $Main
    (memory (export "memory") 129)
    ;; include: realloc
    ;; include: configure
    ;; include: answer
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
