  (memory $memory (export "memory") 1)
  ;; include: realloc
  ;; include: configure
  ;; include: answer
