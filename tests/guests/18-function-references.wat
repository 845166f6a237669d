;; Calls a function through a typed reference.
;; expect: load.feature
(module
  ;; include: policy
  ;; include: evaluate
  (type $f (func))
  (func $nothing)
  (elem declare func $nothing)
  (func (call_ref $f (ref.func $nothing))))
