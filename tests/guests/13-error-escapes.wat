;; Says that it could not judge, in what would rename a terminal, clear it, forge a line and turn its text around.
;; expect: fault.error
(module
  (data (i32.const 1024) "\1b]0;owned\07\1b[2J\1b[31mok\0d\0aPASS\00\7f" "\e2\80\ae\e2\80\8b\c2\85\c2\9b31m\ef\bb\bf")
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.store8 (i32.const 64) (i32.const 1))
    (i32.store (i32.const 68) (i32.const 1024))
    (i32.store (i32.const 72) (i32.const 45))
    (i32.const 64)))
