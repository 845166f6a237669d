;; Finds a million problems, all of them the same text of 60,000 bytes.
;; expect: load.configure (fault.output)
(module
  (memory (export "memory") 200)
  ;; include: realloc
  ;; include: answer
  (func (export "configure") (param $settings i32) (param $length i32) (result i32)
    (loop $next
      (i64.store (i32.add (i32.const 65536) (i32.shl (local.get $length) (i32.const 3))) (i64.const 0x0000_ea60_0000_0000))
      (local.set $length (i32.add (local.get $length) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $length) (i32.const 1000000))))
    (i32.store8 (i32.const 1024) (i32.const 1))
    (i32.store (i32.const 1028) (i32.const 65536))
    (i32.store (i32.const 1032) (i32.const 500000))
    (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 64)))
