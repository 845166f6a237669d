;; Imports a resource through the interface of types, and with it a way to drop it.
;; expect: load.world
;; wit: interface types { => interface types { resource socket;
(module
  (import "portcullis:policy/types@0.1.0" "[resource-drop]socket" (func (param i32)))
  ;; include: policy
  ;; include: evaluate
)
