;; Atomic instructions on a memory that is not shared.
;; expect: load.feature
(module
  ;; include: policy
  ;; include: evaluate
  (func (result i32) (i32.atomic.load (i32.const 0))))
