;; Denies, then writes allow over its answer where it should free it: the answer has been read.
;; expect: deny
(module
  (func (export "cabi_post_evaluate") (param $answer i32) (i32.store8 (i32.const 96) (i32.const 5)))
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store8 (i32.const 96) (i32.const 0))
    (i32.const 64)))
