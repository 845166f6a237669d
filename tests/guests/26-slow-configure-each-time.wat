;; Cannot be snapshotted, and is slow to configure: each evaluation takes that time again, out of its own time limit.
;; expect: fault.time
;; mode: configure-each-time
;; limits: configure-fuel=100_000_000_000 time-ms=10
(module
  (memory (export "memory") 1)
  ;; include: realloc
  (table $t 1 funcref)
  (func (export "configure") (param i32 i32) (result i32)
    (local $n i32)
    (table.set $t (i32.const 0) (ref.null func))
    (loop $turn
      (memory.fill (i32.const 8192) (i32.const 0) (i32.const 32768))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $turn (i32.lt_u (local.get $n) (i32.const 100000))))
    (i32.const 1024))
  ;; include: answer
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.const 64)))
