;; Can read the history, and its description does not say so.
;; expect: load.history
;; past: none
(module
  ;; include: history
  ;; include: policy
  ;; include: evaluate
  ;; include: ask
  (@custom "portcullis-policy" "{\"name\":\"guest.hostile\",\"version\":\"0.1.0\",\"inputs\":[\"/action/name\"]}")
)
