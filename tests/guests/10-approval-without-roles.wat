;; A finding that asks for approval by one person without a role.
;; expect: fault.answer
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store8 (i32.const 128) (i32.const 1))
    (i32.store8 (i32.const 132) (i32.const 1))
    (i32.store (i32.const 136) (i32.const 32))
    (i32.store (i32.const 140) (i32.const 0))
    (i32.store (i32.const 144) (i32.const 1))
    (i32.const 64)))
