;; A message whose address and length add up to a small number.
;; expect: fault.abi
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store (i32.const 108) (i32.const 192))
    (i32.store (i32.const 112) (i32.const 0xffffff80))
    (i32.const 64)))
