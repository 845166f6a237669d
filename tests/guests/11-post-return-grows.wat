;; Allows, then grows its memory without end where it should free its answer.
;; expect: fault.memory
(module
  (func (export "cabi_post_evaluate") (param $answer i32)
    (loop $more (drop (memory.grow (i32.const 1))) (br $more)))
  ;; include: policy
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32.const 64)))
