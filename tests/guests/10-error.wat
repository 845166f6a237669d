;; Says that it could not judge.
;; expect: fault.error
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store8 (i32.const 64) (i32.const 1))
    (i32.store (i32.const 68) (i32.const 192))
    (i32.store (i32.const 72) (i32.const 7))
    (i32.const 64)))
