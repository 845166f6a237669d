;; Traps when it is configured.
;; expect: load.configure (fault.trap)
(module
  (memory (export "memory") 1)
  ;; include: realloc
  ;; include: answer
  (func (export "configure") (param $settings i32) (param $length i32) (result i32)
    (unreachable))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 64)))
