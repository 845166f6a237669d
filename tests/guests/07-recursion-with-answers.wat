;; Reads the request at every level: at full depth the host calls the guest's allocator on what stack is left.
;; expect: fault.stack
;; limits: host-calls=1_000_000 host-call-kib=65536
(module
  (import "$root" "request" (func $request (param i32 i32 i32)))
  (data (i32.const 1024) "\28\00\00\00" "\0c\00\00\00")
  (func $deeper
    (call $request (i32.const 1024) (i32.const 1) (i32.const 1088))
    (global.set $free (i32.const 8192))
    (call $deeper)
    (drop (i32.load (i32.const 1088))))
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (call $deeper)
    (i32.const 64)))
