;; Throws an exception and catches it.
;; expect: load.feature
(module
  ;; include: policy
  ;; include: evaluate
  (tag $t)
  (func (block $caught (try_table (catch $t $caught) (throw $t)))))
