;; 1,000 findings, each of which asks for approval by 1,000 roles: one list for all findings, one text of 60,000 bytes for
;; all roles. 130 KB that say 60 GB.
;; expect: fault.output
(module
  (memory (export "memory") 4)
  ;; include: realloc
  ;; include: configure
  ;; include: answer
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (local $n i32) (local $at i32)
    (loop $finding
      (local.set $at (i32.add (i32.const 131072) (i32.mul (local.get $n) (i32.const 60))))
      (memory.copy (local.get $at) (i32.const 96) (i32.const 60))
      (i32.store8 offset=32 (local.get $at) (i32.const 1))
      (i32.store8 offset=36 (local.get $at) (i32.const 1))
      (i32.store offset=40 (local.get $at) (i32.const 65536))
      (i32.store offset=44 (local.get $at) (i32.const 1000))
      (i32.store offset=48 (local.get $at) (i32.const 1))
      (i64.store (i32.add (i32.const 65536) (i32.shl (local.get $n) (i32.const 3))) (i64.const 0x0000_ea60_0003_1000))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $finding (i32.lt_u (local.get $n) (i32.const 1000))))
    (i32.store (i32.const 72) (i32.const 131072))
    (i32.store (i32.const 76) (i32.const 1000))
    (i32.const 64)))
