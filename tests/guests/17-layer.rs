// The honest component under the version and layer of a core module.
// expect: load.format
pub fn bytes() -> Vec<u8> {
    let mut bytes = super::find("00-allow").bytes;
    bytes[4..8].copy_from_slice(&[1, 0, 0, 0]);
    bytes
}
