  (import "$root" "history" (func $history
    (param i32 i32 i32) (param i32 i32 i32) (param i32 i32 i32) (param i32 i32) (param i32) (param i32)))
