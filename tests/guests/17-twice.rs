// The honest component, twice in one file.
// expect: load.format
pub fn bytes() -> Vec<u8> {
    super::find("00-allow").bytes.repeat(2)
}
