;; A tag of exceptions.
;; expect: load.feature
(module
  ;; include: policy
  ;; include: evaluate
  (tag (param i32)))
