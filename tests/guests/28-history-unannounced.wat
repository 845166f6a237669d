;; Can read the history, and has no description that would say so.
;; expect: load.history
;; past: none
(module
  ;; include: history
  ;; include: policy
  ;; include: evaluate
  ;; include: ask
)
