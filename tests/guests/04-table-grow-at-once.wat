;; Asks for 4 thousand million table elements: each costs fuel, before any is made.
;; expect: fault.fuel
;; mode: configure-each-time
(module
  (table $t 1 funcref)
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (drop (table.grow $t (ref.null func) (i32.const -1)))
    (i32.const 64)))
