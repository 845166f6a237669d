;; Calls itself without end when it is configured.
;; expect: load.configure (fault.stack)
(module
  (memory (export "memory") 1)
  ;; include: realloc
  ;; include: answer
  (func (export "configure") (param $settings i32) (param $length i32) (result i32)
    (drop (call $deeper))
    (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 64))
  (func $deeper (result i32) (i32.add (call $deeper) (i32.const 1))))
