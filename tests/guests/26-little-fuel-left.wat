;; Leaves almost no fuel when it has been configured: less than the snapshot needs to be read out. How much that
;; is, is the same at every run.
;; expect: allow
;; limits: configure-fuel=100_000
(module
  (memory (export "memory") 1)
  ;; include: realloc
  ;; include: answer
  (func (export "configure") (param i32 i32) (result i32)
    (local $n i32)
    ;; 8 units of fuel for each turn: 99,200 in all.
    (loop $turn
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $turn (i32.lt_u (local.get $n) (i32.const 12400))))
    (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 64)))
