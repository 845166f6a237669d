// Nothing.
// expect: load.format
pub fn bytes() -> Vec<u8> {
    Vec::new()
}
