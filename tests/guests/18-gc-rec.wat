;; A group of types that name each other.
;; expect: load.feature
(module
  ;; include: policy
  ;; include: evaluate
  (rec (type $f (func (param (ref null $g)))) (type $g (func (param (ref null $f))))))
