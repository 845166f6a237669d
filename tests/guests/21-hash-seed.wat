;; Lets the addresses that the host passes it decide: a hash table seeds itself from such.
;; expect: allow
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (local $seed i32)
    (local.set $seed (i32.xor (i32.mul (local.get $inputs) (i32.const 0x9e3779b1)) (memory.size)))
    (local.set $seed (i32.xor (local.get $seed) (i32.load offset=8 (local.get $inputs))))
    (if (i32.eqz (i32.and (local.get $seed) (i32.const 7))) (then (i32.store8 (i32.const 96) (i32.const 0))))
    (i32.const 64)))
