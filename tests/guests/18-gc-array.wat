;; An array of the garbage collector.
;; expect: load.feature
(module
  ;; include: policy
  ;; include: evaluate
  (type $a (array (mut i32)))
  (func (drop (array.new_default $a (i32.const 1000)))))
