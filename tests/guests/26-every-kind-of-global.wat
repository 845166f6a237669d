;; Keeps what was configured in globals of every other kind, NaN with a payload among them.
;; expect: allow
(module
  (memory (export "memory") 1)
  ;; include: realloc
  (global $i32 (mut i32) (i32.const 0))
  (global $i64 (mut i64) (i64.const 0))
  (global $f32 (mut f32) (f32.const 0))
  (global $f64 (mut f64) (f64.const 0))
  (func (export "configure") (param i32 i32) (result i32)
    (global.set $i32 (i32.const 64))
    (global.set $i64 (i64.const -2))
    (global.set $f32 (f32.reinterpret_i32 (i32.const 0x7fa00001)))
    (global.set $f64 (f64.reinterpret_i64 (i64.const 0xfff4000000000001)))
    (i32.const 1024))
  ;; include: answer
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (if (i64.ne (global.get $i64) (i64.const -2)) (then (unreachable)))
    (if (i32.ne (i32.reinterpret_f32 (global.get $f32)) (i32.const 0x7fa00001)) (then (unreachable)))
    (if (i64.ne (i64.reinterpret_f64 (global.get $f64)) (i64.const 0xfff4000000000001)) (then (unreachable)))
    (global.get $i32)))
