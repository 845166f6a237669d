;; `evaluate` of values, not of inputs.
;; expect: load.world
;; wit: evaluate: func(inputs: => evaluate: func(values:
(module
  ;; include: policy
  ;; include: evaluate
)
