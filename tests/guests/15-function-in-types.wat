;; Imports a function through the interface of types.
;; expect: load.world
;; wit: interface types { => interface types { now: func() -> u64;
(module
  (import "portcullis:policy/types@0.1.0" "now" (func (result i64)))
  ;; include: policy
  ;; include: evaluate
)
