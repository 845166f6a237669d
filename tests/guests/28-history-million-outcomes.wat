;; One question with a million outcomes: the host would hold each of them.
;; expect: fault.host-calls
;; past: none
(module
  ;; include: history
  ;; include: announced
  (memory (export "memory") 32)
  ;; include: realloc
  ;; include: configure
  ;; include: answer
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (call $history (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 65536) (i32.const 1000000) (i32.const 60) (i32.const 1088))
    (i32.const 64)))
