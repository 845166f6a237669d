;; Grows its memory by nothing for ever: a call into the host that no host-call limit counts.
;; expect: fault.time
;; limits: fuel=100_000_000_000 time-ms=50
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (loop $for_ever
      (drop (memory.grow (i32.const 0)))
      (br $for_ever))
    (i32.const 64)))
