;; Calls each import as the contract says. Without this guest, a host that refused every call would pass the tests.
;; expect: allow
;; data: calendar={"weekend":[6,7]}
(module
  (import "$root" "log" (func $log (param i32 i32)))
  (import "$root" "data" (func $data (param i32 i32 i32 i32 i32)))
  (import "$root" "request" (func $request (param i32 i32 i32)))
  ;; include: policy
  (data (i32.const 1024) "calendar/weekend/1")
  (data (i32.const 1048) "\10\04\00\00" "\00\00\00\00" "\28\00\00\00" "\0c\00\00\00") ;; "", "/action/name"
  (func $must (param i32) (if (i32.eqz (local.get 0)) (then (unreachable))))
  (func (export "evaluate") (param i32 i32) (result i32)
    (call $log (i32.const 1024) (i32.const 8))
    ;; The integer 7: case 3 of `value`, the payload 8 bytes on.
    (call $data (i32.const 1024) (i32.const 8) (i32.const 1032) (i32.const 10) (i32.const 1088))
    (call $must (i32.eq (i32.load8_u (i32.const 1088)) (i32.const 3)))
    (call $must (i64.eq (i64.load (i32.const 1096)) (i64.const 7)))
    ;; Two values: the request as JSON text (6), and text (5).
    (call $request (i32.const 1048) (i32.const 2) (i32.const 1088))
    (call $must (i32.eq (i32.load (i32.const 1092)) (i32.const 2)))
    (call $must (i32.eq (i32.load8_u (i32.load (i32.const 1088))) (i32.const 6)))
    (call $must (i32.eq (i32.load8_u offset=16 (i32.load (i32.const 1088))) (i32.const 5)))
    (i32.const 64)))
