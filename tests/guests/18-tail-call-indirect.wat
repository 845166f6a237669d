;; Calls in place of itself, through a table.
;; expect: load.feature
(module
  ;; include: policy
  ;; include: evaluate
  (table 1 funcref)
  (func (param i32) (result i32) (return_call_indirect (param i32) (result i32) (local.get 0) (i32.const 0))))
