;; Passes an import a list that ends past the end of its memory.
;; expect: fault.abi
(module
  (import "$root" "request" (func $request (param i32 i32 i32)))
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (call $request (i32.const 65528) (i32.const 2) (i32.const 1088))
    (i32.const 64)))
