;; The outcome 255.
;; expect: fault.abi
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store8 (i32.const 96) (i32.const 255))
    (i32.const 64)))
