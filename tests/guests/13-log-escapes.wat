;; Logs what would rename a terminal, clear it, forge a line and turn its text around.
;; expect: allow
(module
  (import "$root" "log" (func $log (param i32 i32)))
  (data (i32.const 1024) "\1b]0;owned\07\1b[2J\1b[31mok\0d\0aPASS\00\7f" "\e2\80\ae\e2\80\8b\c2\85\c2\9b31m\ef\bb\bf")
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (call $log (i32.const 1024) (i32.const 45))
    (i32.const 64)))
