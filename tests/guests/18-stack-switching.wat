;; A type of continuations, and one made.
;; expect: load.feature
(module
  ;; include: policy
  ;; include: evaluate
  (type $f (func))
  (type $c (cont $f))
  (func $nothing)
  (elem declare func $nothing)
  (func (drop (cont.new $c (ref.func $nothing)))))
