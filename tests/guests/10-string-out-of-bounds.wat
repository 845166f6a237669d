;; A message that ends past the end of its memory.
;; expect: fault.abi
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store (i32.const 108) (i32.const 65530))
    (i32.store (i32.const 112) (i32.const 7))
    (i32.const 64)))
