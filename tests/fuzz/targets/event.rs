//! Events: no panic; what is accepted is what would be written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_ledger::{Body, Event};

fuzz_target!(|bytes: &[u8]| {
    match Event::decode(bytes) {
        Ok(event) => {
            assert_eq!(event.encode().as_deref(), Ok(bytes));
            if let Body::Decision(body) = event.body {
                assert_eq!(body.proceed, body.outcome.proceeds());
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
