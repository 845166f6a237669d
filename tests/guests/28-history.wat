;; Honest: asks for what was allowed or warned about for one service within an hour, and is told just that.
;; expect: allow
;; past: deploy service/payment-api allow 59
;; past: deploy service/payment-api warn 15
;; past: deploy service/payment-api allow 60
;; past: deploy service/payment-api deny 10
;; past: delete service/payment-api allow 10
;; past: deploy job/payment-api allow 10
;; past: deploy service/other allow 10
(module
  ;; include: history
  ;; include: announced
  ;; include: policy
  (data (i32.const 1024) "deploy" "service" "payment-api" "\05\04")
  (data (i32.const 1200) "2026-03-14T08:31:00.000Z" "2026-03-14T09:15:00.000Z")
  (func $must (param i32) (if (i32.eqz (local.get 0)) (then (unreachable))))
  (func $same (param $one i32) (param $two i32)
    (local $n i32)
    (loop $next
      (call $must (i32.eq (i32.load8_u (i32.add (local.get $one) (local.get $n)))
        (i32.load8_u (i32.add (local.get $two) (local.get $n)))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $n) (i32.const 24)))))
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (call $history (i32.const 1) (i32.const 1024) (i32.const 6) (i32.const 1) (i32.const 1030) (i32.const 7)
      (i32.const 1) (i32.const 1037) (i32.const 11) (i32.const 1048) (i32.const 2) (i32.const 60) (i32.const 1088))
    (call $must (i64.eq (i64.load (i32.const 1088)) (i64.const 2)))
    (call $must (i32.eq (i32.load8_u (i32.const 1096)) (i32.const 1)))
    (call $must (i32.eq (i32.load (i32.const 1104)) (i32.const 24)))
    (call $same (i32.load (i32.const 1100)) (i32.const 1200))
    (call $must (i32.eq (i32.load8_u (i32.const 1108)) (i32.const 1)))
    (call $must (i32.eq (i32.load (i32.const 1116)) (i32.const 24)))
    (call $same (i32.load (i32.const 1112)) (i32.const 1224))
    (i32.const 64)))
