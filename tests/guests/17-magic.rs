// The first four bytes of WebAssembly.
// expect: load.format
pub fn bytes() -> Vec<u8> {
    b"\0asm".to_vec()
}
