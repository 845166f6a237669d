;; A finding without a code.
;; expect: fault.answer
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store (i32.const 104) (i32.const 0))
    (i32.const 64)))
