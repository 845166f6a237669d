;; The world of a version before 0.1.0.
;; expect: load.world
;; wit: portcullis:policy@0.1.0 => portcullis:policy@0.1.0-rc.1
(module
  ;; include: policy
  ;; include: evaluate
)
