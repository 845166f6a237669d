;; Wants an input whose name would clear a terminal, and is no pointer.
;; expect: load.inputs
(module
  (memory (export "memory") 1)
  ;; include: realloc
  ;; include: answer
  (func (export "configure") (param $settings i32) (param $length i32) (result i32)
    (i32.store8 (i32.const 1024) (i32.const 0))
    (i32.store (i32.const 1028) (i32.const 1040))
    (i32.store (i32.const 1032) (i32.const 1))
    (i32.store (i32.const 1040) (i32.const 2048))
    (i32.store (i32.const 1044) (i32.const 4))
    (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 64))
  (data (i32.const 2048) "\1b[2J"))
