;; A finding about a place that is no JSON pointer.
;; expect: fault.answer
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store8 (i32.const 116) (i32.const 1))
    (i32.store (i32.const 120) (i32.const 192))
    (i32.store (i32.const 124) (i32.const 7))
    (i32.const 64)))
