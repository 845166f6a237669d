// 100,000 globals.
// expect: load.size
pub fn bytes() -> Vec<u8> {
    let globals = "(global (mut i64) (i64.const 0))\n".repeat(100_000);
    super::component(&super::module(&format!("(module\n;; include: policy\n;; include: evaluate\n{globals})")))
}
