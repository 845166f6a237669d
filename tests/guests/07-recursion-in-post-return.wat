;; Answers, then calls itself without end where it should free its answer.
;; expect: fault.stack
(module
  (func $deeper (result i32) (i32.add (call $deeper) (i32.const 1)))
  (func (export "cabi_post_evaluate") (param i32) (drop (call $deeper)))
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.const 64)))
