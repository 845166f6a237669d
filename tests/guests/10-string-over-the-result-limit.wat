;; A message of 300 KiB, above the limit of 256 KiB.
;; expect: fault.output
;; limits: result-kib=256
(module
  (memory (export "memory") 8)
  ;; include: realloc
  ;; include: configure
  ;; include: answer
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store (i32.const 108) (i32.const 0))
    (i32.store (i32.const 112) (i32.const 307200))
    (i32.const 64)))
