;; A message with half of a surrogate pair.
;; expect: fault.abi
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store8 (i32.const 192) (i32.const 0xed))
    (i32.store8 (i32.const 193) (i32.const 0xa0))
    (i32.store8 (i32.const 194) (i32.const 0x80))
    (i32.const 64)))
