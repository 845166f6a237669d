;; A function that answers text where a number is due: it parses, it is not valid.
;; expect: load.format
(module
  ;; include: policy
  ;; include: evaluate
  (func (result i64) (i32.const 0)))
