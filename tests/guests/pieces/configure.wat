  ;; Wants one input, `/action/name`. `$configured` says to `evaluate` that it was here.
  (global $configured (mut i32) (i32.const 0))
  (func $configure (export "configure") (param $settings i32) (param $length i32) (result i32)
    (global.set $configured (i32.const 1))
    (i32.const 16))
  (data (i32.const 16) "\00\00\00\00" "\20\00\00\00" "\01\00\00\00") ;; ok, list at 32, 1 element
  (data (i32.const 32) "\28\00\00\00" "\0c\00\00\00" "/action/name") ;; string at 40, 12 bytes
