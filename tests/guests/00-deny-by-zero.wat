;; One finding whose outcome it never wrote: zero is deny.
;; expect: deny
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store8 (i32.const 96) (i32.const 0))
    (i32.const 64)))
