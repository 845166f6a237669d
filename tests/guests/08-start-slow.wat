;; Fills its memory for ever in its start function.
;; expect: load.configure (fault.time)
;; limits: configure-fuel=1_000_000_000_000 configure-time-ms=50
(module
  ;; include: policy
  ;; include: evaluate
  (start $start)
  (func $start
    (loop $for_ever
      (memory.fill (i32.const 0) (i32.const 0) (i32.const 65536))
      (br $for_ever))))
