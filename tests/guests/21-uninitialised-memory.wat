;; Lets memory decide that it never wrote: the rest of its pages, pages that it grows by, and what it was given.
;; expect: deny
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (local $at i32) (local $sum i64)
    (drop (memory.grow (i32.const 16)))
    (local.set $at (i32.const 16384))
    (loop $next
      (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31)) (i64.load (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 1114112))))
    (if (i64.eqz (local.get $sum)) (then (i32.store8 (i32.const 96) (i32.const 0))))
    (i32.const 64)))
