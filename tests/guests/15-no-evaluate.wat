;; Exports `configure` and nothing else.
;; expect: load.world
(component
  ;; include: world
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  (alias core export $main "memory" (core memory $memory))
  (alias core export $main "cabi_realloc" (core func $realloc))
  (alias core export $main "configure" (core func $configure-core))
  (func $configure (param "settings" string) (result (result (list string) (error (list $problem))))
    (canon lift (core func $configure-core) (memory $memory) (realloc $realloc)))
  (export "configure" (func $configure)))
