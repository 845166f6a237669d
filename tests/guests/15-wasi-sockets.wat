;; Imports sockets of WASI.
;; expect: load.world
;; wit: world policy { => world policy { import wasi:sockets/tcp@0.2.0;
;; wit+:  package wasi:sockets@0.2.0 { interface tcp { connect: func() -> u32; } }
(module
  (import "wasi:sockets/tcp@0.2.0" "connect" (func (result i32)))
  ;; include: policy
  ;; include: evaluate
)
