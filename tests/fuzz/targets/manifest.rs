//! Manifests and locks: no panic, and every error can be shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_gate::{Lock, Manifest};

fuzz_target!(|bytes: &[u8]| {
    let Ok(now) = "2026-03-14T09:30:00Z".parse() else { return };
    if let Err(error) = Manifest::parse("portcullis.toml", bytes, now) {
        assert!(!error.to_string().is_empty());
    }
    match Lock::parse("portcullis.lock", bytes) {
        Ok(lock) => {
            let again = Lock::parse("portcullis.lock", lock.render().as_bytes()).expect("what was written is accepted");
            assert_eq!(lock, again);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
