;; Logs what lies past the end of its memory.
;; expect: fault.abi
(module
  (import "$root" "log" (func $log (param i32 i32)))
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (call $log (i32.const 65535) (i32.const 2))
    (i32.const 64)))
