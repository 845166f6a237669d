;; Exports a type that the world has not got.
;; expect: load.world
(component
  ;; include: world
  (type $t (record (field "a" u32)))
  (export "t" (type $t))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
