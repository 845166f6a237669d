;; Imports randomness of WASI.
;; expect: load.world
;; wit: world policy { => world policy { import wasi:random/random@0.2.0;
;; wit+:  package wasi:random@0.2.0 { interface random { get-random-u64: func() -> u64; } }
(module
  (import "wasi:random/random@0.2.0" "get-random-u64" (func (result i64)))
  ;; include: policy
  ;; include: evaluate
)
