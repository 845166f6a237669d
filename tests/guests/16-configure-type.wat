;; `configure` that takes bytes.
;; expect: load.world
;; wit: configure: func(settings: string) => configure: func(settings: list<u8>)
(module
  ;; include: policy
  ;; include: evaluate
)
