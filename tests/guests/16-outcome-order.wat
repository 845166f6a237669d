;; Outcomes in another order: its byte 0 says allow, where the host reads deny.
;; expect: load.world
;; wit: enum outcome { => enum outcome { nothing,
(module
  ;; include: policy
  ;; include: evaluate
)
