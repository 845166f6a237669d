;; Is refused 10,000 times by the maximum that it declared itself: nothing was taken, so nothing may be counted.
;; expect: allow
;; mode: configure-each-time
(module
  (memory (export "memory") 1 1)
  ;; include: realloc
  ;; include: configure
  ;; include: answer
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (local $n i32)
    (loop $again
      (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then (unreachable)))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $n) (i32.const 10000))))
    (i32.const 64)))
