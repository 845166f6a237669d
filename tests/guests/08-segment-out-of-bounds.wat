;; An active data segment that does not fit into the memory: instantiation itself traps.
;; expect: load.configure (fault.trap)
(module
  ;; include: policy
  ;; include: evaluate
  (data (i32.const 65535) "ab"))
