;; Asks for a reference document that the set does not give, by a name that is no text for a terminal.
;; expect: fault.data
;; data: calendar={"weekend":[6,7]}
(module
  (import "$root" "data" (func $data (param i32 i32 i32 i32 i32)))
  (data (i32.const 1024) "\1b[31mcal\0a")
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (call $data (i32.const 1024) (i32.const 9) (i32.const 0) (i32.const 0) (i32.const 1088))
    (i32.const 64)))
