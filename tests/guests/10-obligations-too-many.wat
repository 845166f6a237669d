;; 33 obligations, one more than an answer may have.
;; expect: fault.answer
(module
  (data (i32.const 1024) "notify")
  (data (i32.const 1056) "{}")
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (local $n i32)
    (i32.store (i32.const 1152) (i32.const 1024))
    (i32.store (i32.const 1156) (i32.const 6))
    (i32.store (i32.const 1160) (i32.const 1056))
    (i32.store (i32.const 1164) (i32.const 2))
    (loop $obligation
      (memory.copy (i32.add (i32.const 1152) (i32.shl (local.get $n) (i32.const 4))) (i32.const 1152) (i32.const 16))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $obligation (i32.lt_u (local.get $n) (i32.const 33))))
    (i32.store (i32.const 80) (i32.const 1152))
    (i32.store (i32.const 84) (i32.const 33))
    (i32.const 64)))
