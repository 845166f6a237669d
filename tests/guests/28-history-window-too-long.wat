;; A window of 366 days and a minute.
;; expect: fault.trap
;; past: none
(module
  ;; include: history
  ;; include: announced
  ;; include: policy
  ;; include: ask
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (call $ask (i32.const 527041))
    (i32.const 64)))
