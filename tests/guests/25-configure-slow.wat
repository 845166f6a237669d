;; Fills its memory for ever when it is configured.
;; expect: load.configure (fault.time)
;; limits: configure-fuel=1_000_000_000_000 configure-time-ms=50
(module
  (memory (export "memory") 1)
  ;; include: realloc
  ;; include: answer
  (func (export "configure") (param $settings i32) (param $length i32) (result i32)
    (loop $for_ever (memory.fill (i32.const 1024) (i32.const 0) (i32.const 64000)) (br $for_ever))
    (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 64)))
