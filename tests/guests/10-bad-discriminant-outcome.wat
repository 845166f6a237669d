;; An outcome after the last one.
;; expect: fault.abi
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store8 (i32.const 96) (i32.const 6))
    (i32.const 64)))
