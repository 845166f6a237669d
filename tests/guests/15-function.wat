;; Imports a function that the world has not got.
;; expect: load.world
;; wit: world policy { => world policy { import now: func() -> u64;
(module
  (import "$root" "now" (func (result i64)))
  ;; include: policy
  ;; include: evaluate
)
