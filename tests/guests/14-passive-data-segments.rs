// 40,000 passive data segments of one byte: nothing is written, but each is kept.
// expect: load.size
pub fn bytes() -> Vec<u8> {
    let segments = "(data \"x\")\n".repeat(40_000);
    super::component(&super::module(&format!("(module\n;; include: policy\n;; include: evaluate\n{segments})")))
}
