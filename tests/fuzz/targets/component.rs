//! Modules: inspection neither panics nor accepts what it calls inadmissible, and a report on anything can be written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_gate::Limits;
use portcullis_inspect::{InspectLimits, differences, inspect, review};

fuzz_target!(|bytes: &[u8]| {
    let limits = InspectLimits::from(&Limits::default());
    match inspect(bytes, &limits) {
        Ok(report) => assert!(report.admissible),
        Err(refusal) => assert!(!refusal.report.admissible && !refusal.detail.is_empty()),
    }
    let found = review(bytes, &limits);
    assert!(serde_json::to_string(&found).is_ok() && differences(&found, &found).changes.is_empty());
});
