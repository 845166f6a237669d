;; Grows its table until that is refused.
;; expect: fault.memory
;; mode: configure-each-time
(module
  (table $t 1 funcref)
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (loop $more (br_if $more (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1))))
    (i32.const 64)))
