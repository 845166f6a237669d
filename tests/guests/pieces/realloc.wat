  ;; include: bump
  (export "cabi_realloc" (func $bump))
