;; Declares a table of 4 thousand million elements.
;; expect: load.resources
(module
  (memory (export "memory") 1) (table 4294967295 funcref)
  ;; include: realloc
  ;; include: configure
  ;; include: answer
  ;; include: evaluate
)
