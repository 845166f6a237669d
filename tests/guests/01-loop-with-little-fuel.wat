;; Loops for ever, with so little fuel that the first instructions use it up.
;; expect: fault.fuel
;; limits: fuel=1
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (loop $for_ever (br $for_ever))
    (i32.const 64)))
