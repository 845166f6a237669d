;; An empty component.
;; expect: load.world
(component)
