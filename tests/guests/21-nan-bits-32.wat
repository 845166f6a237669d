;; Lets the bits of a small NaN decide, from a sum of two NaN with payloads of their own.
;; expect: deny
(module
  (data (i32.const 1024) "\01\00\a0\ff" "\02\00\e0\7f")
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (if (i32.eq (i32.reinterpret_f32 (f32.add (f32.load (i32.const 1024)) (f32.load (i32.const 1028)))) (i32.const 0x7fc00000))
      (then (i32.store8 (i32.const 96) (i32.const 0))))
    (i32.const 64)))
