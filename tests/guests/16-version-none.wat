;; The world without a version.
;; expect: load.world
;; wit: portcullis:policy@0.1.0 => portcullis:policy
(module
  ;; include: policy
  ;; include: evaluate
)
