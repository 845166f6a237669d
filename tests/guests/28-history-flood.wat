;; Asks for ever.
;; expect: fault.host-calls
;; past: none
(module
  ;; include: history
  ;; include: announced
  ;; include: policy
  ;; include: ask
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (loop $for_ever (call $ask (i32.const 60)) (br $for_ever))
    (i32.const 64)))
