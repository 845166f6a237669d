;; Drops a data segment when it is configured, and copies from it when it evaluates: a trap, however what was
;; configured is kept.
;; expect: fault.trap
;; mode: configure-each-time
(module
  (memory (export "memory") 1)
  ;; include: realloc
  (data $text "text")
  (func (export "configure") (param i32 i32) (result i32)
    (data.drop $text)
    (i32.const 1024))
  ;; include: answer
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (memory.init $text (i32.const 2048) (i32.const 0) (i32.const 4))
    (i32.const 64)))
