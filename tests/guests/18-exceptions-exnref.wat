;; A reference to an exception.
;; expect: load.feature
(module
  ;; include: policy
  ;; include: evaluate
  (func (param exnref)))
