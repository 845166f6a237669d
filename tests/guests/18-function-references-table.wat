;; A table with an initial value.
;; expect: load.feature
(module
  ;; include: policy
  ;; include: evaluate
  (table 1 funcref (ref.func $evaluate)))
