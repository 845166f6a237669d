;; A list that starts within its memory and ends past it.
;; expect: fault.abi
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store (i32.const 72) (i32.const 65520))
    (i32.const 64)))
