;; 1,025 findings, one more than an answer may have.
;; expect: fault.answer
;; limits: result-kib=4096
(module
  (memory (export "memory") 4)
  ;; include: realloc
  ;; include: configure
  ;; include: answer
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (local $n i32)
    (loop $finding
      (memory.copy (i32.add (i32.const 65536) (i32.mul (local.get $n) (i32.const 60))) (i32.const 96) (i32.const 60))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $finding (i32.lt_u (local.get $n) (i32.const 1025))))
    (i32.store (i32.const 72) (i32.const 65536))
    (i32.store (i32.const 76) (i32.const 1025))
    (i32.const 64)))
