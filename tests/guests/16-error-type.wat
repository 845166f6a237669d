;; `evaluate` whose error is a list of bytes: text that nobody checked for UTF-8.
;; expect: load.world
;; wit: result<answer, string> => result<answer, list<u8>>
(module
  ;; include: policy
  ;; include: evaluate
)
