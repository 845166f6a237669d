//! Row 17, every byte of it: what is cut or changed anywhere is refused or harmless, and never takes the process
//! down.

use portcullis_gate::Limits;
use portcullis_inspect::{InspectLimits, inspect};
use portcullis_tests::{Guest, find};
use wasmparser::{Parser, Payload};

use super::meet::{engine, honest_is_allowed, load, request, said};

/// Cut anywhere but between the custom sections at its end, which only hold names.
#[test]
fn every_truncation_is_refused() {
    let limits = InspectLimits::from(&Limits::default());
    for name in ["00-allow", "00-every-import", "12-resource"] {
        let bytes = find(name).bytes;
        let mut whole = 0;
        for payload in Parser::new(0).parse_all(&bytes) {
            match payload.unwrap() {
                Payload::CustomSection(_) | Payload::End(_) => {}
                payload => whole = payload.as_section().map_or(whole, |(_, range)| range.end),
            }
        }
        for length in 0..whole {
            let refusal = inspect(&bytes[..length], &limits).err();
            let refusal = refusal.unwrap_or_else(|| panic!("{name}: admitted with {length} of {} bytes", bytes.len()));
            let code = refusal.fault.code();
            assert!(matches!(code, "load.format" | "load.world"), "{name}: {length} bytes: {code}");
        }
        assert!(inspect(&bytes[..whole], &limits).is_ok(), "{name}");
        assert!(inspect(&bytes, &limits).is_ok(), "{name}");
    }
}

/// Whatever inspection admits, the engine compiles, configures and evaluates: no panic, and nothing but a verdict
/// or a coded fault.
#[test]
fn every_changed_byte_is_refused_or_harmless() {
    let limits = InspectLimits::from(&Limits::default());
    let honest = find("00-allow");
    let (mut refused, mut admitted) = (0, 0);
    for at in 0..honest.bytes.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut bytes = honest.bytes.clone();
            bytes[at] ^= change;
            if inspect(&bytes, &limits).is_err() {
                refused += 1;
                continue;
            }
            admitted += 1;
            // Compiling each would take minutes; every 16th does.
            if admitted % 16 == 0
                && let Ok(policy) = load(engine(), &Guest { bytes, ..honest.clone() })
            {
                assert!(!said(&policy.evaluate(&request())).is_empty());
            }
        }
    }
    assert!(refused > 1_000 && admitted > 100, "{refused} refused, {admitted} admitted");
    honest_is_allowed();
}
