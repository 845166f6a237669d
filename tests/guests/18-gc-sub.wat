;; A type that may have subtypes.
;; expect: load.feature
(module
  ;; include: policy
  ;; include: evaluate
  (type (sub (func))))
