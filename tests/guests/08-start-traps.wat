;; Traps in its start function.
;; expect: load.configure (fault.trap)
(module
  ;; include: policy
  ;; include: evaluate
  (start $start)
  (func $start
    (unreachable)))
