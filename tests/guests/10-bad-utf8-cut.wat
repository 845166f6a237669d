;; A message that ends within a character.
;; expect: fault.abi
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store8 (i32.const 198) (i32.const 0xe2))
    (i32.const 64)))
