;; Has the inputs written over the answer that it is going to give: a type confusion that it does to itself. The action's
;; name, `deploy`, stands where the outcome was.
;; expect: fault.abi
(module
  (memory (export "memory") 1)
  ;; include: bump
  (func $cabi_realloc (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32)
    (result i32)
    (if (global.get $configured) (then
      (return (i32.const 96))))
    (call $bump (local.get $old) (local.get $old_size) (local.get $align) (local.get $size)))
  ;; include: configure
  ;; include: answer
  ;; include: evaluate
)
