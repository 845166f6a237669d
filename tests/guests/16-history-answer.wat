;; `history` that answers with a number.
;; expect: load.world
;; wit: -> history-answer; => -> u64;
(module
  (import "$root" "history" (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i64)))
  ;; include: policy
  ;; include: evaluate
  ;; include: announced
)
