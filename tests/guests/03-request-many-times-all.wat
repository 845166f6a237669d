;; One call for the whole request 60,000 times over: 60,000 pointers, each the same empty text.
;; expect: fault.host-calls
(module
  (import "$root" "request" (func $request (param i32 i32 i32)))
  (memory (export "memory") 128)
  ;; include: realloc
  ;; include: configure
  ;; include: answer
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (call $request (i32.const 65536) (i32.const 60000) (i32.const 1088))
    (i32.const 64)))
