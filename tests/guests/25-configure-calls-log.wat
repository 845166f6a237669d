;; Calls an import when it is configured, where none may be called.
;; expect: load.configure (fault.trap)
(module
  (import "$root" "log" (func $log (param i32 i32)))
  (memory (export "memory") 1)
  ;; include: realloc
  ;; include: answer
  (func (export "configure") (param $settings i32) (param $length i32) (result i32)
    (call $log (i32.const 0) (i32.const 0))
    (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 64)))
