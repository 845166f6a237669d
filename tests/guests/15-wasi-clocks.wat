;; Imports a clock of WASI: verdicts would differ from run to run.
;; expect: load.world
;; wit: world policy { => world policy { import wasi:clocks/monotonic-clock@0.2.0;
;; wit+:  package wasi:clocks@0.2.0 { interface monotonic-clock { now: func() -> u64; } }
(module
  (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func (result i64)))
  ;; include: policy
  ;; include: evaluate
)
