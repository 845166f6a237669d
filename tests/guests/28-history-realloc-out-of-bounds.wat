;; Answers the last address that there is, when the host asks for room for the time of the oldest decision.
;; expect: fault.abi
;; past: deploy service/payment-api allow 30
(module
  ;; include: history
  ;; include: announced
  (memory (export "memory") 1)
  ;; include: bump
  ;; include: ask
  (global $reading (mut i32) (i32.const 0))
  (func $cabi_realloc (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32)
    (result i32)
    (if (global.get $reading) (then
      (return (i32.const -8))))
    (call $bump (local.get $old) (local.get $old_size) (local.get $align) (local.get $size)))
  ;; include: configure
  ;; include: answer
  (func (export "evaluate") (param i32 i32) (result i32)
    (global.set $reading (i32.const 1))
    (call $ask (i32.const 60))
    (i32.const 64)))
