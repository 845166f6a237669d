;; Writes to a table when it is configured and calls through it when it evaluates: no snapshot can hold that.
;; expect: allow
;; mode: configure-each-time
(module
  (memory (export "memory") 1)
  ;; include: realloc
  (table $t 1 funcref)
  (elem declare func $late)
  (func $late (result i32) (i32.const 64))
  (func (export "configure") (param i32 i32) (result i32)
    (table.set $t (i32.const 0) (ref.func $late))
    (i32.const 1024))
  ;; include: answer
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (call_indirect (result i32) (i32.const 0))))
