;; Grows to exactly 16 MiB, which the limit allows, and uses the last byte.
;; expect: allow
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (drop (memory.grow (i32.const 255)))
    (i32.store8 (i32.const 0xffffff) (i32.const 1))
    (i32.const 64)))
