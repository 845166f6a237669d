;; The world of somebody else.
;; expect: load.world
;; wit: portcullis:policy@0.1.0 => porticullis:policy@0.1.0
(module
  ;; include: policy
  ;; include: evaluate
)
