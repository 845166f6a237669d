;; Answers an odd address, when the host asks for room for what an import answers.
;; expect: fault.abi
(module
  (import "$root" "request" (func $request (param i32 i32 i32)))
  (memory (export "memory") 1)
  ;; include: bump
  (global $reading (mut i32) (i32.const 0))
  (func $cabi_realloc (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32)
    (result i32)
    (if (global.get $reading) (then
      (return (i32.const 9001))))
    (call $bump (local.get $old) (local.get $old_size) (local.get $align) (local.get $size)))
  ;; include: configure
  ;; include: answer
  (data (i32.const 1024) "\28\00\00\00" "\0c\00\00\00")
  (func (export "evaluate") (param i32 i32) (result i32)
    (global.set $reading (i32.const 1))
    (call $request (i32.const 1024) (i32.const 1) (i32.const 1088))
    (i32.const 64)))
