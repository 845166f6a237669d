;; A list of 2^32 - 1 findings.
;; expect: fault.abi
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store (i32.const 76) (i32.const 0xffffffff))
    (i32.const 64)))
