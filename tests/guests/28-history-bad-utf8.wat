;; A resource id that is not UTF-8.
;; expect: fault.abi
;; past: none
(module
  ;; include: history
  ;; include: announced
  ;; include: policy
  ;; include: ask
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store (i32.const 1024) (i32.const -1))
    (call $history (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 1) (i32.const 1024) (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 60) (i32.const 1088))
    (i32.const 64)))
