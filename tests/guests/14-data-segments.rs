// 40,000 data segments of one byte.
// expect: load.size
pub fn bytes() -> Vec<u8> {
    let segments = "(data (i32.const 1024) \"x\")\n".repeat(40_000);
    super::component(&super::module(&format!("(module\n;; include: policy\n;; include: evaluate\n{segments})")))
}
