;; Calls the host in its start function, before the component has linked the import.
;; expect: load.configure (fault.trap)
(module
  (import "$root" "log" (func $log (param i32 i32)))
  ;; include: policy
  ;; include: evaluate
  (start $start)
  (func $start
    (call $log (i32.const 0) (i32.const 0))))
