;; A message that is not UTF-8.
;; expect: fault.abi
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store8 (i32.const 193) (i32.const 0xff))
    (i32.const 64)))
