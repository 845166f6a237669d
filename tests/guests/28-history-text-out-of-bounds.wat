;; An action that ends beyond the memory.
;; expect: fault.abi
;; past: none
(module
  ;; include: history
  ;; include: announced
  ;; include: policy
  ;; include: ask
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (call $history (i32.const 1) (i32.const 65530) (i32.const 7) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 60) (i32.const 1088))
    (i32.const 64)))
