;; A verdict that is neither an abstention nor findings.
;; expect: fault.abi
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store8 (i32.const 68) (i32.const 2))
    (i32.const 64)))
