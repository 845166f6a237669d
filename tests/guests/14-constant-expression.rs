// A global whose initial value is a sum of 300,000 terms: an initializer that no fuel counts.
// expect: load.compile-limit
pub fn bytes() -> Vec<u8> {
    let sum =
        format!("(i32.const 1){}", " i32.const 1 i32.add".repeat(300_000)).replace("(i32.const 1)", "i32.const 1");
    let text = format!("(module\n;; include: policy\n;; include: evaluate\n(global i32 {sum}))");
    super::component(&super::module(&text))
}
