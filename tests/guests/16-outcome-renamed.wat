;; An outcome by another name at the same place.
;; expect: load.world
;; wit:         deny, =>        allowed,
(module
  ;; include: policy
  ;; include: evaluate
)
