;; An option that is neither none nor some.
;; expect: fault.abi
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store8 (i32.const 116) (i32.const 2))
    (i32.const 64)))
