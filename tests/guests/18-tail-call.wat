;; Calls in place of itself.
;; expect: load.feature
(module
  ;; include: policy
  ;; include: evaluate
  (func $next (param i32) (result i32) (return_call $next (local.get 0))))
