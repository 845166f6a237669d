;; Bytes beside each discriminant that no reader may look at: padding.
;; expect: allow
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store (i32.const 64) (i32.const 0xffffff00))
    (i32.store (i32.const 68) (i32.const 0xffffff01))
    (i32.store (i32.const 96) (i32.const 0xffffff05))
    (i32.const 64)))
