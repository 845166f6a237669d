;; A `value` with a case more.
;; expect: load.world
;; wit: text(string), => text(string), letter(char),
(module
  ;; include: policy
  ;; include: evaluate
)
