;; Keeps what was configured in a global of vectors.
;; expect: allow
;; mode: configure-each-time
(module
  (memory (export "memory") 1)
  ;; include: realloc
  (global $v (mut v128) (v128.const i32x4 0 0 0 0))
  (func (export "configure") (param i32 i32) (result i32)
    (global.set $v (v128.const i32x4 1 2 64 4))
    (i32.const 1024))
  ;; include: answer
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (i32x4.extract_lane 2 (global.get $v))))
