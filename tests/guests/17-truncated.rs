// The honest component, cut in the middle.
// expect: load.format
pub fn bytes() -> Vec<u8> {
    let bytes = super::find("00-allow").bytes;
    bytes[..bytes.len() / 2].to_vec()
}
