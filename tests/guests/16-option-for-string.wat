;; A finding that may lack its code.
;; expect: load.world
;; wit:         code: string, =>         code: option<string>,
(module
  ;; include: policy
  ;; include: evaluate
)
