;; Seven outcomes, where there are six.
;; expect: fault.trap
;; past: none
(module
  ;; include: history
  ;; include: announced
  ;; include: policy
  ;; include: ask
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (call $history (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1024) (i32.const 7) (i32.const 60) (i32.const 1088))
    (i32.const 64)))
