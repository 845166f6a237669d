// Calls itself without end, with 2,000 values alive across the call: few steps, each taking kilobytes of stack.
// expect: fault.stack
use std::fmt::Write as _;

pub fn bytes() -> Vec<u8> {
    let mut text = String::from("(module\n;; include: policy\n(func $deeper (param i64) (result i64)\n");
    text.push_str("(local");
    text.push_str(&" i64".repeat(2_000));
    text.push_str(")\n");
    // Loads, because what can be computed again would not be kept on the stack.
    for n in 1..=2_000 {
        writeln!(text, "(local.set {n} (i64.load (i32.const {})))", 8192 + 8 * n).unwrap();
    }
    text.push_str("(i64.store (i32.const 8192) (i64.const 1))\n");
    text.push_str("(local.set 0 (call $deeper (i64.add (local.get 0) (i64.const 1))))\n");
    for n in 1..=2_000 {
        writeln!(text, "(local.set 0 (i64.mul (local.get 0) (local.get {n})))").unwrap();
    }
    text.push_str("(local.get 0))\n");
    text.push_str("(func (export \"evaluate\") (param i32 i32) (result i32)\n");
    text.push_str("(drop (call $deeper (i64.const 1))) (i32.const 64)))");
    super::component(&super::module(&text))
}
