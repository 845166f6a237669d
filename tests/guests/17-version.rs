// A component of a version that does not exist yet.
// expect: load.format
pub fn bytes() -> Vec<u8> {
    let mut bytes = super::find("00-allow").bytes;
    bytes[4] = 0x0e;
    bytes
}
