;; A type of values to come, and one made.
;; expect: load.feature
(component
  ;; include: world
  (type $f (future u8))
  (core func (canon future.new $f))
  (core module $Main
    ;; include: policy
    ;; include: evaluate
  )
  (core instance $main (instantiate $Main))
  ;; include: lift
)
