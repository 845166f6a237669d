;; Counts in its start function how often it was started: a sandbox that starts from a snapshot must not start it again.
;; expect: allow
(module
  (start $start)
  (func $start (i32.store (i32.const 2048) (i32.add (i32.load (i32.const 2048)) (i32.const 1))))
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (if (i32.ne (i32.load (i32.const 2048)) (i32.const 1)) (then (unreachable)))
    (i32.const 64)))
