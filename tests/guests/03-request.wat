;; Reads the request for ever, into the same place.
;; expect: fault.host-calls
(module
  (import "$root" "request" (func $request (param i32 i32 i32)))
  (data (i32.const 1024) "\28\00\00\00" "\0c\00\00\00")
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (loop $for_ever
      (call $request (i32.const 1024) (i32.const 1) (i32.const 1088))
      (global.set $free (i32.const 8192))
      (br $for_ever))
    (i32.const 64)))
