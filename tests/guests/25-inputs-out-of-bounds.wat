;; Answers a list of inputs that ends past the end of its memory.
;; expect: load.configure (fault.abi)
(module
  (memory (export "memory") 1)
  ;; include: realloc
  ;; include: answer
  (func (export "configure") (param $settings i32) (param $length i32) (result i32)
    (i32.store8 (i32.const 1024) (i32.const 0))
    (i32.store (i32.const 1028) (i32.const 65528))
    (i32.store (i32.const 1032) (i32.const 2))
    (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 64)))
