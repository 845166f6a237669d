;; Counts its evaluations in memory and in a global, and lets the count decide: it is always the first.
;; expect: deny
(module
  (global $count (mut i32) (i32.const 0))
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (if (i32.or (global.get $count) (i32.load (i32.const 1024))) (then (return (i32.const 64))))
    (global.set $count (i32.const 1))
    (i32.store (i32.const 1024) (i32.const 1))
    (i32.store8 (i32.const 96) (i32.const 0))
    (i32.const 64)))
