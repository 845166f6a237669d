;; Waits on an address for another thread.
;; expect: load.feature
(module
  ;; include: policy
  ;; include: evaluate
  (func (result i32) (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))
