;; `history` with a window in hours.
;; expect: load.world
;; wit:         within-minutes: u32, =>         within-hours: u32,
(module
  ;; include: history
  ;; include: policy
  ;; include: evaluate
  ;; include: announced
)
