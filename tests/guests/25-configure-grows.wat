;; Grows its memory without end when it is configured.
;; expect: load.configure (fault.memory)
(module
  (memory (export "memory") 1)
  ;; include: realloc
  ;; include: answer
  (func (export "configure") (param $settings i32) (param $length i32) (result i32)
    (loop $more (drop (memory.grow (i32.const 1))) (br $more))
    (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 64)))
