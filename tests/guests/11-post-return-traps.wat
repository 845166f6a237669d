;; Allows, then traps where it should free its answer.
;; expect: fault.trap
(module
  (func (export "cabi_post_evaluate") (param $answer i32)
    (unreachable))
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.const 64)))
