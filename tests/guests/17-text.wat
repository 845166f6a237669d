;; WebAssembly text. Nobody but a compiler of text may accept it.
;; expect: load.format
;; form: text
(component)
