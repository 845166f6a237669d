;; Asks a ledger that holds nothing: no decisions, and no times.
;; expect: allow
;; past: none
(module
  ;; include: history
  ;; include: announced
  ;; include: policy
  ;; include: ask
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i64.store (i32.const 1088) (i64.const 7))
    (call $ask (i32.const 60))
    (if (i64.ne (i64.load (i32.const 1088)) (i64.const 0)) (then (unreachable)))
    (if (i32.load8_u (i32.const 1096)) (then (unreachable)))
    (if (i32.load8_u (i32.const 1108)) (then (unreachable)))
    (i32.const 64)))
