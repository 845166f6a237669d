;; Declares two tables, each below the limit.
;; expect: load.resources
(module
  (memory (export "memory") 1) (table 6000 funcref) (table 6000 funcref)
  ;; include: realloc
  ;; include: configure
  ;; include: answer
  ;; include: evaluate
)
