;; Asks where the policy is configured anew for each evaluation: `configure` may not ask, `evaluate` may.
;; expect: allow
;; mode: configure-each-time
;; past: deploy service/payment-api allow 30
(module
  ;; include: history
  ;; include: announced
  (memory $memory (export "memory") 1)
  ;; include: realloc
  ;; include: answer
  ;; include: ask
  (table $table 2 funcref)
  (func $nothing)
  (elem declare func $nothing)
  (func $configure (export "configure") (param $settings i32) (param $length i32) (result i32)
    (table.set $table (i32.const 1) (ref.func $nothing))
    (i32.const 16))
  (data (i32.const 16) "\00\00\00\00" "\20\00\00\00" "\00\00\00\00")
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (call $ask (i32.const 60))
    (if (i64.ne (i64.load (i32.const 1088)) (i64.const 1)) (then (unreachable)))
    (i32.const 64)))
