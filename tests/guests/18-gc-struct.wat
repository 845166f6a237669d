;; A type of structures of the garbage collector.
;; expect: load.feature
(module
  ;; include: policy
  ;; include: evaluate
  (type (struct (field i32))))
