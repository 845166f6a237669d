;; Allows, then calls the host where it should free its answer, which the component model forbids.
;; expect: fault.abi
(module
  (import "$root" "log" (func $log (param i32 i32)))
  (func (export "cabi_post_evaluate") (param $answer i32)
    (call $log (i32.const 0) (i32.const 0)))
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.const 64)))
