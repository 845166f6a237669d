;; A reference to a small integer.
;; expect: load.feature
(module
  ;; include: policy
  ;; include: evaluate
  (func (drop (ref.i31 (i32.const 1)))))
