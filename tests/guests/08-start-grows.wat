;; Grows its memory without end in its start function.
;; expect: load.configure (fault.memory)
(module
  ;; include: policy
  ;; include: evaluate
  (start $start)
  (func $start
    (loop $more (drop (memory.grow (i32.const 1))) (br $more))))
