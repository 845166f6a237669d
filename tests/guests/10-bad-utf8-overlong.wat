;; A code with a dot written in two bytes, where one is the only way.
;; expect: fault.abi
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store8 (i32.const 165) (i32.const 0xc0))
    (i32.store8 (i32.const 166) (i32.const 0xae))
    (i32.const 64)))
