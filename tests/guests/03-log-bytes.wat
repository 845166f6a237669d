;; Few calls, but each with a message of 64 KiB.
;; expect: fault.host-calls
;; limits: host-call-kib=1024 host-calls=256
(module
  (import "$root" "log" (func $log (param i32 i32)))
  (memory (export "memory") 2)
  ;; include: realloc
  ;; include: configure
  ;; include: answer
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (loop $for_ever
      (call $log (i32.const 65536) (i32.const 65536))
      (br $for_ever))
    (i32.const 64)))
