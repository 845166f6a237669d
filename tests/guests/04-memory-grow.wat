;; Grows its memory page by page until that is refused, then uses what it asked for.
;; expect: fault.memory
(module
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    (i32.store (i32.const 0x7fff0000) (i32.const 1))
    (i32.const 64)))
