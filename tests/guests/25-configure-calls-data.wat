;; Reads a reference document when it is configured, where no import may be called.
;; expect: load.configure (fault.trap)
;; data: calendar={}
(module
  (import "$root" "data" (func $data (param i32 i32 i32 i32 i32)))
  (memory (export "memory") 1)
  ;; include: realloc
  ;; include: answer
  (func (export "configure") (param $settings i32) (param $length i32) (result i32)
    (call $data (i32.const 2048) (i32.const 8) (i32.const 0) (i32.const 0) (i32.const 1088))
    (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 64))
  (data (i32.const 2048) "calendar"))
