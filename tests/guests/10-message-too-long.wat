;; A message of 5,000 bytes: within the result limit, above what the contract allows.
;; expect: fault.answer
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store (i32.const 108) (i32.const 8192))
    (i32.store (i32.const 112) (i32.const 5000))
    (i32.const 64)))
