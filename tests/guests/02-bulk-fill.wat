;; Fills 15 MiB with one instruction, again and again: an instruction cannot be interrupted, the next one must be.
;; expect: fault.time
;; limits: fuel=100_000_000_000 time-ms=50
(module
  (memory (export "memory") 240)
  ;; include: realloc
  ;; include: configure
  ;; include: answer
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (loop $for_ever
      (memory.fill (i32.const 65536) (i32.const 7) (i32.const 15663104))
      (br $for_ever))
    (i32.const 64)))
