;; Says that it reads the history, and cannot.
;; expect: allow
(module
  ;; include: announced
  ;; include: policy
  ;; include: evaluate
)
