;; Writes over all its memory and its table, so that whoever comes next in the same place could find it.
;; expect: allow
;; mode: configure-each-time
(module
  (table $t 9000 funcref)
  (elem declare func $evaluate)
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (drop (memory.grow (i32.const 16)))
    (memory.fill (i32.const 16384) (i32.const 0xaa) (i32.const 1097728))
    (table.fill $t (i32.const 0) (ref.func $evaluate) (i32.const 9000))
    (i32.const 64)))
