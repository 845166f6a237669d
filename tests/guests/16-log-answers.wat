;; `log` that answers.
;; expect: load.world
;; wit: import log: func(message: string); => import log: func(message: string) -> bool;
(module
  (import "$root" "log" (func (param i32 i32) (result i32)))
  ;; include: policy
  ;; include: evaluate
)
