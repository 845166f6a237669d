;; Lets the bits of NaN in a vector decide.
;; expect: deny
(module
  (data (i32.const 1024) "\00\00\80\bf\00\00\80\bf\00\00\80\bf\00\00\80\bf")
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (if (i32.eq (i32x4.extract_lane 2 (f32x4.sqrt (v128.load (i32.const 1024)))) (i32.const 0x7fc00000))
      (then (i32.store8 (i32.const 96) (i32.const 0))))
    (i32.const 64)))
