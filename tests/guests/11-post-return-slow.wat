;; Allows, then fills its memory for ever where it should free its answer.
;; expect: fault.time
;; limits: fuel=100_000_000_000 time-ms=50
(module
  (func (export "cabi_post_evaluate") (param $answer i32)
    (loop $for_ever (memory.fill (i32.const 1024) (i32.const 0) (i32.const 64000)) (br $for_ever)))
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.const 64)))
