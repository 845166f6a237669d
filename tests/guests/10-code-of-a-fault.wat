;; A finding under the name of a fault.
;; expect: fault.answer
(module
  (data (i32.const 1024) "fault.fuel.none")
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store (i32.const 100) (i32.const 1024))
    (i32.store (i32.const 104) (i32.const 15))
    (i32.const 64)))
