// What looks like code that the engine has compiled: an ELF file with the sections of one. Running it would be
// running anything.
// expect: load.format
pub fn bytes() -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\xc8\0\0\0\0\0\0\0\0\x01\0\0\0\x01\0\0\0".to_vec();
    bytes.extend_from_slice(b".wasmtime.engine\0.wasmtime.info\0.text\0");
    bytes.resize(4096, 0xcc);
    bytes
}
