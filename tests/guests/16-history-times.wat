;; `history` whose answer has its times in another order.
;; expect: load.world
;; wit:         oldest: option<string>, =>         newest: option<string>,
(module
  ;; include: history
  ;; include: policy
  ;; include: evaluate
  ;; include: announced
)
