;; A message at an address that it has not got.
;; expect: fault.abi
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store (i32.const 108) (i32.const 0xffffff00))
    (i32.const 64)))
