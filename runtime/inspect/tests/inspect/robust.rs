use std::sync::OnceLock;

use portcullis_inspect::{InspectLimits, inspect};
use proptest::prelude::*;

use crate::admitted::hand_written;
use crate::fixtures::{BODY, policy, text, with_section};

/// Valid components with something of everything.
fn seeds() -> &'static [Vec<u8>] {
    static SEEDS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let description = br#"{"name":"a","version":"1","inputs":["/now"],"codes":[{"code":"a.b.c"}]}"#;
        let rich = policy(&format!(
            r#"(import "$root" "log" (func (param i32 i32))) (import "$root" "request" (func (param i32 i32 i32)))
               {BODY} (global (mut i32) (i32.const 0)) (table 4 funcref) (elem (i32.const 0) func 0 1) (data (i32.const 8) "abc")
               (func $s (local i32 v128) (block (loop (br_table 0 1 0 (local.get 0)))) (memory.copy (i32.const 0) (i32.const 0) (i32.const 0)))
               (start $s)"#
        ));
        let nested = text(&hand_written(
            r#"(import "wasi:clocks/wall-clock@0.2.0" (instance (export "now" (func (result u64)))))"#,
            r#"(component $c (core module $m (memory 1)) (core instance (instantiate $m))
                 (type (component (import "a" (func)) (export "b" (func)))))
               (instance (instantiate $c))"#,
        ));
        vec![with_section(rich, "portcullis-policy", description), nested]
    })
}

/// Whatever it is, there is an answer; and the answer is consistent.
fn answers(bytes: &[u8]) {
    match inspect(bytes, &InspectLimits::default()) {
        Ok(report) => assert!(report.admissible && report.world.differences.is_empty()),
        Err(refusal) => {
            assert!(!refusal.report.admissible && !refusal.detail.is_empty());
            assert!(!refusal.detail.contains("the parser gave up"), "{}: {bytes:02x?}", refusal.detail);
            assert!(!refusal.to_string().chars().any(char::is_control), "{refusal:?}");
            serde_json::to_string(&refusal.report).unwrap();
        }
    }
}

#[test]
fn every_prefix_of_a_component() {
    for seed in seeds() {
        for length in 0..seed.len() {
            answers(&seed[..length]);
        }
    }
}

#[test]
fn every_byte_changed() {
    for seed in seeds() {
        let mut bytes = seed.clone();
        for at in 0..bytes.len() {
            let before = bytes[at];
            for value in [0, 0xff, before ^ 1, before.wrapping_add(1)] {
                bytes[at] = value;
                answers(&bytes);
            }
            bytes[at] = before;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600), header in any::<bool>()) {
        let mut input = if header { b"\0asm\x0d\0\x01\0".to_vec() } else { Vec::new() };
        input.extend_from_slice(&bytes);
        answers(&input);
    }

    #[test]
    fn random_sections(sections in proptest::collection::vec((0u8..13, proptest::collection::vec(any::<u8>(), 0..40)), 0..12)) {
        let mut input = b"\0asm\x0d\0\x01\0".to_vec();
        for (id, contents) in sections {
            input.push(id);
            input.push(contents.len() as u8);
            input.extend_from_slice(&contents);
        }
        answers(&input);
    }

    #[test]
    fn mutated_components(
        which in 0usize..2,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0u8..4, any::<u8>(), any::<prop::sample::Index>()), 1..12),
    ) {
        let mut bytes = seeds()[which].clone();
        for (at, kind, value, other) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = value,
                1 => bytes.insert(at, value),
                2 => {
                    bytes.remove(at);
                }
                _ => {
                    // A piece copied to another place.
                    let from = other.index(bytes.len());
                    let piece: Vec<u8> = bytes.iter().skip(from).take(usize::from(value)).copied().collect();
                    bytes.splice(at..at, piece);
                }
            }
        }
        answers(&bytes);
    }
}
