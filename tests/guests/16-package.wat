;; The world of a package that is called almost the same.
;; expect: load.world
;; wit: portcullis:policy@0.1.0 => portcullis:policies@0.1.0
(module
  ;; include: policy
  ;; include: evaluate
)
