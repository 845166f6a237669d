;; Two functions that call each other through a table without end.
;; expect: fault.stack
(module
  (table 2 funcref)
  (elem (i32.const 0) $even $odd)
  (func $even (param i32) (result i32)
    (i32.add (call_indirect (param i32) (result i32) (local.get 0) (i32.const 1)) (i32.const 1)))
  (func $odd (param i32) (result i32)
    (i32.add (call_indirect (param i32) (result i32) (local.get 0) (i32.const 0)) (i32.const 1)))
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (drop (call $even (i32.const 0)))
    (i32.const 64)))
