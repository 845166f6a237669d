;; A core module, not a component.
;; expect: load.format
;; form: core
(module
  ;; include: policy
  ;; include: evaluate
)
