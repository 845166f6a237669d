;; A `value` whose boolean is a number of 8 bits.
;; expect: load.world
;; wit: boolean(bool) => boolean(u8)
(module
  ;; include: policy
  ;; include: evaluate
)
