;; A table of references to things of the host.
;; expect: load.feature
(module
  ;; include: policy
  ;; include: evaluate
  (table 1 externref))
