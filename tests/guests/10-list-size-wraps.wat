;; A list of 71,582,789 findings: at 60 bytes each they take 2^32 + 44 bytes.
;; expect: fault.abi
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store (i32.const 76) (i32.const 71582789))
    (i32.const 64)))
