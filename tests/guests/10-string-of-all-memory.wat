;; A message of 15 MiB.
;; expect: fault.output
(module
  (memory (export "memory") 240)
  ;; include: realloc
  ;; include: configure
  ;; include: answer
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store (i32.const 108) (i32.const 0))
    (i32.store (i32.const 112) (i32.const 15728640))
    (i32.const 64)))
