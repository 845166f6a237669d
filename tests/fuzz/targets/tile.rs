//! Paths of tiles and bundles of entries: no panic; one spelling.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_ledger::{TilePath, decode_bundle, encode_bundle};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(path) = text.parse::<TilePath>()
    {
        assert_eq!(path.to_string(), text);
        assert_eq!(TilePath::new(path.kind(), path.index(), path.width()), Ok(path));
    }
    if let [width, bundle @ ..] = bytes
        && let Ok(entries) = decode_bundle(bundle, u16::from(*width) + 1)
    {
        assert_eq!(encode_bundle(&entries).as_deref(), Ok(bundle));
    }
});
