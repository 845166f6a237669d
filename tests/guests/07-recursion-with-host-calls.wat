;; Calls the host at every level, so also with the stack as full as it gets.
;; expect: fault.stack
;; limits: host-calls=1_000_000
(module
  (import "$root" "log" (func $log (param i32 i32)))
  (func $deeper
    (call $log (i32.const 0) (i32.const 0))
    (call $deeper)
    (call $log (i32.const 0) (i32.const 0)))
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (call $deeper)
    (i32.const 64)))
