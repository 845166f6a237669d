;; Calls itself without end.
;; expect: fault.stack
(module
  (func $deeper (param i32) (result i32)
    (i32.add (call $deeper (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (drop (call $deeper (i32.const 0)))
    (i32.const 64)))
