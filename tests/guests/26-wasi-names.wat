;; Calls its internal functions what a snapshot tool would call its own.
;; expect: allow
(module
  (func (export "wizer-initialize"))
  (func (export "wizer.initialize"))
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.const 64)))
