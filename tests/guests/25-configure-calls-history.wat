;; Asks for the history when it is configured, where no import may be called.
;; expect: load.configure (fault.trap)
;; past: none
(module
  ;; include: history
  ;; include: announced
  (memory (export "memory") 1)
  ;; include: realloc
  ;; include: answer
  ;; include: ask
  (func (export "configure") (param $settings i32) (param $length i32) (result i32)
    (call $ask (i32.const 60))
    (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 64)))
