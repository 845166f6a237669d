;; Lets a table decide that it never wrote.
;; expect: deny
(module
  (table $t 9000 funcref)
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (local $at i32)
    (loop $next
      (if (i32.eqz (ref.is_null (table.get $t (local.get $at)))) (then (return (i32.const 64))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 9000))))
    (i32.store8 (i32.const 96) (i32.const 0))
    (i32.const 64)))
