;; An obligation whose parameters are no JSON.
;; expect: fault.answer
(module
  (data (i32.const 1024) "notify")
  (data (i32.const 1056) "{channel}")
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store (i32.const 1152) (i32.const 1024))
    (i32.store (i32.const 1156) (i32.const 6))
    (i32.store (i32.const 1160) (i32.const 1056))
    (i32.store (i32.const 1164) (i32.const 9))
    (i32.store (i32.const 80) (i32.const 1152))
    (i32.store (i32.const 84) (i32.const 1))
    (i32.const 64)))
