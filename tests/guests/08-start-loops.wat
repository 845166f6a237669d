;; Loops for ever in its start function, before anything of it is called.
;; expect: load.configure (fault.fuel)
;; limits: configure-fuel=10_000_000
(module
  ;; include: policy
  ;; include: evaluate
  (start $start)
  (func $start
    (loop $for_ever (br $for_ever))))
