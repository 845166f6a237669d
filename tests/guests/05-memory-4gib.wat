;; Declares 4 GiB of memory.
;; expect: load.resources
(module
  (memory (export "memory") 65536)
  ;; include: realloc
  ;; include: configure
  ;; include: answer
  ;; include: evaluate
)
