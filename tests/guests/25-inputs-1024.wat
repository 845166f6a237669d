;; Wants 1,024 inputs, as many as a policy may: each of them the action's name.
;; expect: allow
(module
  (memory (export "memory") 1)
  ;; include: realloc
  ;; include: answer
  (func (export "configure") (param $settings i32) (param $length i32) (result i32)
    (loop $next
      (i64.store (i32.add (i32.const 16384) (i32.shl (local.get $length) (i32.const 3))) (i64.const 0x0000_000c_0000_0800))
      (local.set $length (i32.add (local.get $length) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $length) (i32.const 1024))))
    (i32.store8 (i32.const 1024) (i32.const 0))
    (i32.store (i32.const 1028) (i32.const 16384))
    (i32.store (i32.const 1032) (i32.const 1024))
    (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 64))
  (data (i32.const 2048) "/action/name"))
