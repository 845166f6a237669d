;; Reads and writes 15 MiB at addresses that depend on what it read: few instructions, each a cache miss.
;; expect: fault.time
;; limits: fuel=100_000_000_000 time-ms=50
(module
  (memory (export "memory") 240)
  ;; include: realloc
  ;; include: configure
  ;; include: answer
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (local $at i32)
    (loop $for_ever
      (local.set $at (i32.and (i32.add (i32.mul (local.get $at) (i32.const 1664525)) (i32.const 1013904223)) (i32.const 0xdffffc)))
      (i32.store (local.get $at) (i32.add (i32.load (local.get $at)) (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.load (local.get $at))))
      (br $for_ever))
    (i32.const 64)))
