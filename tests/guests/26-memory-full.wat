;; Has written to every byte of 16 MiB when it has been configured.
;; expect: allow
(module
  (memory (export "memory") 256)
  ;; include: realloc
  ;; include: answer
  (func (export "configure") (param $settings i32) (param $length i32) (result i32)
    (memory.fill (i32.const 65536) (i32.const 0xaa) (i32.const 16711680))
    (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 64)))
