  ;; At 64: ok, findings, list at 96, 1 element, no obligations.
  (data (i32.const 64) "\00\00\00\00" "\01\00\00\00" "\60\00\00\00" "\01\00\00\00" "\00\00\00\00" "\00\00\00\00")
  ;; At 96: allow, code at 160 (19 bytes), message at 192 (7 bytes), `at` none (116), requirement none (128).
  (data (i32.const 96) "\05\00\00\00" "\a0\00\00\00" "\13\00\00\00" "\c0\00\00\00" "\07\00\00\00")
  (data (i32.const 160) "guest.hostile.allow")
  (data (i32.const 192) "allowed")
