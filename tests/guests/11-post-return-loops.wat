;; Allows, then loops for ever where it should free its answer.
;; expect: fault.fuel
(module
  (func (export "cabi_post_evaluate") (param $answer i32)
    (loop $for_ever (br $for_ever)))
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.const 64)))
