;; Declares one table element more than the limit of 10,000.
;; expect: load.resources
(module
  (memory (export "memory") 1) (table 10001 funcref)
  ;; include: realloc
  ;; include: configure
  ;; include: answer
  ;; include: evaluate
)
