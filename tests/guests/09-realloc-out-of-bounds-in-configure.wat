;; Answers the last address that there is from its allocator, when the host asks it for room for the settings.
;; expect: load.configure (fault.abi)
(module
  (memory (export "memory") 1)
  ;; include: bump
  (func $cabi_realloc (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32)
    (result i32)
    (if (i32.const 1) (then
      (return (i32.const -1))))
    (call $bump (local.get $old) (local.get $old_size) (local.get $align) (local.get $size)))
  ;; include: configure
  ;; include: answer
  ;; include: evaluate
)
