;; A guest that keeps its text in UTF-16: the host converts, the answer is the same.
;; expect: allow
(component
  ;; include: world
  (core module $Main
    (memory (export "memory") 1)
    ;; include: realloc
    ;; include: configure
    ;; include: evaluate
    (data (i32.const 40) "/\00a\00c\00t\00i\00o\00n\00/\00n\00a\00m\00e\00")
    (data (i32.const 64) "\00\00\00\00" "\01\00\00\00" "\80\00\00\00" "\01\00\00\00" "\00\00\00\00" "\00\00\00\00")
    (data (i32.const 128) "\05\00\00\00" "\00\01\00\00" "\05\00\00\00" "\20\01\00\00" "\02\00\00\00")
    (data (i32.const 256) "g\00.\00h\00.\00a\00")
    (data (i32.const 288) "o\00k\00"))
  (core instance $main (instantiate $Main))
  (alias core export $main "memory" (core memory $memory))
  (alias core export $main "cabi_realloc" (core func $realloc))
  (alias core export $main "configure" (core func $configure-core))
  (alias core export $main "evaluate" (core func $evaluate-core))
  (func $configure (param "settings" string) (result (result (list string) (error (list $problem))))
    (canon lift (core func $configure-core) (memory $memory) (realloc $realloc) string-encoding=utf16))
  (export "configure" (func $configure))
  (func $evaluate (param "inputs" (list $value)) (result (result $answer (error string)))
    (canon lift (core func $evaluate-core) (memory $memory) (realloc $realloc) string-encoding=utf16))
  (export "evaluate" (func $evaluate)))
