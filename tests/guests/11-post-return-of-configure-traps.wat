;; Configures, then traps where it should free the list of inputs.
;; expect: load.configure (fault.trap)
(module
  ;; include: policy
  ;; include: evaluate
  (func (export "cabi_post_configure") (param i32) (unreachable)))
