;; Declares a table of 10,000,000 elements.
;; expect: load.resources
(module
  (memory (export "memory") 1) (table 10000000 funcref)
  ;; include: realloc
  ;; include: configure
  ;; include: answer
  ;; include: evaluate
)
