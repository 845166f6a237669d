;; Exports a function that the world has not got.
;; expect: load.world
;; wit: world policy { => world policy { export run: func() -> u32;
(module
  ;; include: policy
  ;; include: evaluate
  (func (export "run") (result i32) (i32.const 0))
)
