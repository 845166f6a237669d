;; A list at an odd address.
;; expect: fault.abi
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store (i32.const 72) (i32.const 97))
    (i32.const 64)))
