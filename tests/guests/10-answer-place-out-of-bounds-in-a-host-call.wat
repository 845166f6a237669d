;; Wants the answer of an import written where it has no memory.
;; expect: fault.abi
(module
  (import "$root" "request" (func $request (param i32 i32 i32)))
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (call $request (i32.const 1024) (i32.const 0) (i32.const -8))
    (i32.const 64)))
