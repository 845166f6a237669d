;; The honest guest: what every other one would be, without its attack.
;; expect: allow
(module
  ;; include: policy
  ;; include: evaluate
)
