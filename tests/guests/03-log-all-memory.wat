;; One call with a message of 15 MiB, which is all of its memory.
;; expect: fault.host-calls
(module
  (import "$root" "log" (func $log (param i32 i32)))
  (memory (export "memory") 240)
  ;; include: realloc
  ;; include: configure
  ;; include: answer
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (call $log (i32.const 0) (i32.const 15728640))
    (i32.const 64)))
