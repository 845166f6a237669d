;; `log` of bytes.
;; expect: load.world
;; wit: import log: func(message: string); => import log: func(message: list<u8>);
(module
  (import "$root" "log" (func (param i32 i32)))
  ;; include: policy
  ;; include: evaluate
)
