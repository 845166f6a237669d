;; Asks for all 4 GiB at once.
;; expect: fault.memory
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (drop (memory.grow (i32.const 65535)))
    (i32.const 64)))
