;; Has its memory at the maximum that it declares when it has been configured.
;; expect: allow
;; mode: configure-each-time
(module
  (memory (export "memory") 1 16)
  ;; include: realloc
  ;; include: answer
  (func (export "configure") (param $settings i32) (param $length i32) (result i32)
    (drop (memory.grow (i32.const 15)))
    (i32.store (i32.const 1048572) (i32.const 1))
    (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 64)))
