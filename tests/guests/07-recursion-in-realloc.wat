;; Its allocator calls itself without end, when the host asks it for room for the inputs.
;; expect: fault.stack
(module
  (memory (export "memory") 1)
  ;; include: bump
  (func $cabi_realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (if (global.get $configured)
      (then (return (i32.add (i32.const 8) (call $cabi_realloc (local.get 0) (local.get 1) (local.get 2) (local.get 3))))))
    (call $bump (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
  ;; include: configure
  ;; include: answer
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.const 64)))
