;; Allows, and frees its answer: the one post-return that must work.
;; expect: allow
(module
  (func (export "cabi_post_evaluate") (param $answer i32)
    (global.set $free (i32.const 8192)))
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.const 64)))
