;; Has grown its memory to the limit of 16 MiB when it has been configured, and written to the last byte.
;; expect: allow
(module
  (memory (export "memory") 1)
  ;; include: realloc
  ;; include: answer
  (func (export "configure") (param $settings i32) (param $length i32) (result i32)
    (drop (memory.grow (i32.const 255)))
    (i32.store8 (i32.const 0xffffff) (i32.const 1))
    (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 64)))
