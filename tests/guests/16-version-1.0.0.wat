;; The world of version 1.0.0.
;; expect: load.world
;; wit: portcullis:policy@0.1.0 => portcullis:policy@1.0.0
(module
  ;; include: policy
  ;; include: evaluate
)
