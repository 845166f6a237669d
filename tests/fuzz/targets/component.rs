//! Modules: inspection neither panics nor accepts what it calls inadmissible.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_gate::Limits;
use portcullis_inspect::{InspectLimits, inspect};

fuzz_target!(|bytes: &[u8]| {
    let limits = InspectLimits::from(&Limits::default());
    match inspect(bytes, &limits) {
        Ok(report) => assert!(report.admissible),
        Err(refusal) => assert!(!refusal.report.admissible && !refusal.detail.is_empty()),
    }
});
