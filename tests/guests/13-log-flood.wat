;; Logs 250 messages of 2,000 bytes.
;; expect: allow
(module
  (import "$root" "log" (func $log (param i32 i32)))
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (local $n i32)
    (loop $line
      (call $log (i32.const 8192) (i32.const 2000))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $line (i32.lt_u (local.get $n) (i32.const 250))))
    (i32.const 64)))
