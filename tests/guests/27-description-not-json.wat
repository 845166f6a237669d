;; Describes itself in what is no JSON.
;; expect: load.format
(module
  ;; include: policy
  ;; include: evaluate
  (@custom "portcullis-policy" "name = \"guest.hostile\"")
)
