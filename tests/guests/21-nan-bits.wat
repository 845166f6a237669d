;; Lets the bits of a NaN decide: the sign and payload of 0/0 differ between processors, unless the host settles them.
;; expect: deny
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (if (i64.eq (i64.reinterpret_f64 (f64.div (f64.load (i32.const 1024)) (f64.load (i32.const 1024)))) (i64.const 0x7ff8000000000000))
      (then (i32.store8 (i32.const 96) (i32.const 0))))
    (i32.const 64)))
