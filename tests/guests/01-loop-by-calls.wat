;; Calls itself for ever without growing the stack: two functions that return to a loop.
;; expect: fault.fuel
(module
  (table 1 funcref)
  (elem (i32.const 0) $next)
  (func $next (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (loop $for_ever (drop (call_indirect (param i32) (result i32) (i32.const 1) (i32.const 0))) (br $for_ever))
    (i32.const 64)))
