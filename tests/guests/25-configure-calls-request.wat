;; Reads a request when it is configured: there is none.
;; expect: load.configure (fault.trap)
(module
  (import "$root" "request" (func $request (param i32 i32 i32)))
  (memory (export "memory") 1)
  ;; include: realloc
  ;; include: answer
  (func (export "configure") (param $settings i32) (param $length i32) (result i32)
    (call $request (i32.const 0) (i32.const 0) (i32.const 1088))
    (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 64)))
