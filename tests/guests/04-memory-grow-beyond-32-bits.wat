;; Asks for more pages than an address can name.
;; expect: fault.memory
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (drop (memory.grow (i32.const -1)))
    (i32.const 64)))
