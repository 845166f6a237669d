;; A table of anything.
;; expect: load.feature
(module
  ;; include: policy
  ;; include: evaluate
  (table 1 anyref))
