;; `evaluate` that cannot say that it could not judge.
;; expect: load.world
;; wit: -> result<answer, string> => -> answer
(module
  ;; include: policy
  ;; include: evaluate
)
