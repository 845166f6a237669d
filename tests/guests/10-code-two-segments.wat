;; A code of two segments.
;; expect: fault.answer
(module
  (data (i32.const 1024) "guest.allow")
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store (i32.const 100) (i32.const 1024))
    (i32.store (i32.const 104) (i32.const 11))
    (i32.const 64)))
