;; A finding whose `code` is called `id`.
;; expect: load.world
;; wit:         code: string, =>         id: string,
(module
  ;; include: policy
  ;; include: evaluate
)
