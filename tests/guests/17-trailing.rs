// The honest component with bytes after its end.
// expect: load.format
pub fn bytes() -> Vec<u8> {
    let mut bytes = super::find("00-allow").bytes;
    bytes.extend_from_slice(b"#!/bin/sh\nexit 0\n");
    bytes
}
