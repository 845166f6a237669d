;; Honest, but the host panics while it reads a reference document for it.
;; expect: fault.host
;; data: panic={}
(module
  (import "$root" "data" (func $data (param i32 i32 i32 i32 i32)))
  (data (i32.const 1024) "panic")
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (call $data (i32.const 1024) (i32.const 5) (i32.const 0) (i32.const 0) (i32.const 1088))
    (i32.const 64)))
