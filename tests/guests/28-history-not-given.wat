;; Asks for the history where the host gives none. It must not be told that there were no decisions.
;; expect: fault.history
(module
  ;; include: history
  ;; include: announced
  ;; include: policy
  ;; include: ask
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (call $ask (i32.const 60))
    (i32.const 64)))
