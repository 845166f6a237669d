;; Declares one page more than the limit of 16 MiB.
;; expect: load.resources
(module
  (memory (export "memory") 257)
  ;; include: realloc
  ;; include: configure
  ;; include: answer
  ;; include: evaluate
)
