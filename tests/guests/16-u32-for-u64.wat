;; An approval by up to 2^64 people.
;; expect: load.world
;; wit: count: u32 => count: u64
(module
  ;; include: policy
  ;; include: evaluate
)
