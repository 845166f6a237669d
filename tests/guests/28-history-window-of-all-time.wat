;; The longest window that a number can say.
;; expect: fault.trap
;; past: none
(module
  ;; include: history
  ;; include: announced
  ;; include: policy
  ;; include: ask
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (call $ask (i32.const -1))
    (i32.const 64)))
