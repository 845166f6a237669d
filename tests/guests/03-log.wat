;; Logs nothing, for ever.
;; expect: fault.host-calls
(module
  (import "$root" "log" (func $log (param i32 i32)))
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (loop $for_ever (call $log (i32.const 0) (i32.const 0)) (br $for_ever))
    (i32.const 64)))
