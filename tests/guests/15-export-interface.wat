;; Exports an interface that the world has not got.
;; expect: load.world
;; wit: world policy { => world policy { export wasi:cli/run@0.2.0;
;; wit+:  package wasi:cli@0.2.0 { interface run { run: func() -> u32; } }
(module
  ;; include: policy
  ;; include: evaluate
  (func (export "wasi:cli/run@0.2.0#run") (result i32) (i32.const 0))
)
