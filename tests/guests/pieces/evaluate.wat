  ;; The answer of `answer`, if `configure` was here.
  (func $evaluate (export "evaluate") (param $inputs i32) (param $count i32) (result i32)
    (if (i32.eqz (global.get $configured)) (then (unreachable)))
    (i32.const 64))
