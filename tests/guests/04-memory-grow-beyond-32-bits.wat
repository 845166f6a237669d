;; Asks for more pages than an address can name: WebAssembly itself refuses that, nothing is taken, and the policy says
;; what it thinks.
;; expect: allow
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (drop (memory.grow (i32.const -1)))
    (i32.const 64)))
