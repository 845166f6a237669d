;; One call with a million pointers, all of them the same text: the host would hold a copy of each.
;; expect: fault.host-calls
;; limits: fuel=1_000_000_000
(module
  (import "$root" "request" (func $request (param i32 i32 i32)))
  (memory (export "memory") 200)
  ;; include: realloc
  ;; include: configure
  ;; include: answer
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (local $n i32)
    (loop $next
      (i64.store (i32.add (i32.const 65536) (i32.shl (local.get $n) (i32.const 3))) (i64.const 0x0000_000c_0000_0028))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $n) (i32.const 1000000))))
    (call $request (i32.const 65536) (i32.const 1000000) (i32.const 1088))
    (i32.const 64)))
