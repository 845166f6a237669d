// A section that says that it is 4 GiB long.
// expect: load.format
pub fn bytes() -> Vec<u8> {
    let mut bytes = super::find("00-allow").bytes;
    bytes.extend_from_slice(&[1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]);
    bytes
}
