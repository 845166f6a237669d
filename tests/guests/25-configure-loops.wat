;; Loops for ever when it is configured.
;; expect: load.configure (fault.fuel)
;; limits: configure-fuel=10_000_000
(module
  (memory (export "memory") 1)
  ;; include: realloc
  ;; include: answer
  (func (export "configure") (param $settings i32) (param $length i32) (result i32)
    (loop $for_ever (br $for_ever))
    (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 64)))
