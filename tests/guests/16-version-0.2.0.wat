;; The world of version 0.2.0.
;; expect: load.world
;; wit: portcullis:policy@0.1.0 => portcullis:policy@0.2.0
(module
  ;; include: policy
  ;; include: evaluate
)
