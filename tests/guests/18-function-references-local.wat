;; A local that is never null.
;; expect: load.feature
(module
  ;; include: policy
  ;; include: evaluate
  (type $f (func))
  (func (param (ref $f))))
