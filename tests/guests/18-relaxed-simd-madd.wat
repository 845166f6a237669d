;; Multiplies and adds with one rounding or two, as the processor likes.
;; expect: load.feature
(module
  ;; include: policy
  ;; include: evaluate
  (func (param v128 v128 v128) (result v128) (f32x4.relaxed_madd (local.get 0) (local.get 1) (local.get 2))))
