;; Reads a reference document for ever.
;; expect: fault.host-calls
;; data: calendar={"weekend":[6,7]}
(module
  (import "$root" "data" (func $data (param i32 i32 i32 i32 i32)))
  (data (i32.const 1024) "calendar")
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (loop $for_ever
      (call $data (i32.const 1024) (i32.const 8) (i32.const 0) (i32.const 0) (i32.const 1088))
      (global.set $free (i32.const 8192))
      (br $for_ever))
    (i32.const 64)))
