;; Calls itself without end in its start function.
;; expect: load.configure (fault.stack)
(module
  ;; include: policy
  ;; include: evaluate
  (start $start)
  (func $start
    (call $start)
    (call $start)))
