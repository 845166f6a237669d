;; A fence between threads.
;; expect: load.feature
(module
  ;; include: policy
  ;; include: evaluate
  (func (atomic.fence)))
