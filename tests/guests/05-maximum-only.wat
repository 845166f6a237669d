;; Declares one page that may grow to 4 GiB: the maximum takes nothing.
;; expect: allow
(module
  (memory (export "memory") 1 65536)
  ;; include: realloc
  ;; include: configure
  ;; include: answer
  ;; include: evaluate
)
