;; Logs bytes that are not UTF-8.
;; expect: fault.abi
(module
  (import "$root" "log" (func $log (param i32 i32)))
  (data (i32.const 1024) "\ff\fe\fd\fc")
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (call $log (i32.const 1024) (i32.const 4))
    (i32.const 64)))
