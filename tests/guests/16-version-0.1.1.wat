;; The world of version 0.1.1.
;; expect: load.world
;; wit: portcullis:policy@0.1.0 => portcullis:policy@0.1.1
(module
  ;; include: policy
  ;; include: evaluate
)
