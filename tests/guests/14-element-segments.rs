// 40,000 element segments of one function.
// expect: load.size
pub fn bytes() -> Vec<u8> {
    let segments = "(elem (i32.const 0) $bump)\n".repeat(40_000);
    let text = format!("(module\n;; include: policy\n;; include: evaluate\n(table 1 funcref)\n{segments})");
    super::component(&super::module(&text))
}
