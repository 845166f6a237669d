;; 100,000 findings with nothing in them, of which each costs the host more than it costs the guest.
;; expect: fault.output
(module
  (memory (export "memory") 100)
  ;; include: realloc
  ;; include: configure
  ;; include: answer
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store (i32.const 72) (i32.const 65536))
    (i32.store (i32.const 76) (i32.const 100000))
    (i32.const 64)))
