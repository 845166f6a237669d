;; Declares exactly the limit of 16 MiB.
;; expect: allow
(module
  (memory (export "memory") 256)
  ;; include: realloc
  ;; include: configure
  ;; include: answer
  ;; include: evaluate
)
