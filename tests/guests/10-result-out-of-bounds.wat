;; An answer that ends past the end of its memory.
;; expect: fault.abi
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.const 65520)))
