;; A resource type of 1,024 bytes, the longest.
;; expect: allow
;; past: none
(module
  ;; include: history
  ;; include: announced
  ;; include: policy
  ;; include: ask
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (call $history (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16384) (i32.const 1024)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 60) (i32.const 1088))
    (i32.const 64)))
