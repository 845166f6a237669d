// 500,000 aliases of one export.
// expect: load.size
use std::fmt::Write as _;

pub fn bytes() -> Vec<u8> {
    let mut text = String::from("(component\n;; include: world\n(core module $Main\n;; include: policy\n");
    text.push_str(";; include: evaluate\n)\n(core instance $main (instantiate $Main))\n;; include: lift\n");
    for _ in 0..500_000 {
        writeln!(text, "(alias core export $main \"memory\" (core memory))").unwrap();
    }
    text.push(')');
    super::module(&text)
}
