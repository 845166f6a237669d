;; A memory whose pages are one byte.
;; expect: load.feature
(component
  ;; include: world
  (core module (memory 1 (pagesize 1)))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
