use std::sync::OnceLock;

use portcullis_gate::text::is_unprintable;
use portcullis_inspect::{InspectLimits, Review, differences, review};
use proptest::prelude::*;

use crate::admitted::{collect, hand_written};
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
        // Beside the description, sections of every kind that is read.
        let packages = br#"{"packages":[{"name":"a","version":"1","source":"local"}]}"#;
        let audited = with_section(rich, ".dep-v0", &miniz_oxide::deflate::compress_to_vec_zlib(packages, 6));
        let claimed = with_section(audited, "registry-metadata", br#"{"authors":["ann"]}"#);
        let sourced = with_section(claimed, "source", b"https://a.example.com/\xff");
        vec![with_section(sourced, "portcullis-policy", description), nested]
    })
}

/// Whatever it is, there is an answer; the answer is consistent; and it can be compared with another.
fn answers(bytes: &[u8]) {
    let found = review(bytes, &InspectLimits::default());
    let report = &found.report;
    match &report.detail {
        None => {
            assert!(report.admissible && report.code.is_none() && report.world.differences.is_empty());
            assert!(found.complete && !found.cannot.is_empty(), "{bytes:02x?}");
        }
        Some(detail) => {
            assert!(!report.admissible && report.code.is_some() && !detail.is_empty() && found.cannot.is_empty());
            assert!(!detail.contains("the parser gave up"), "{detail}: {bytes:02x?}");
        }
    }
    let mut texts = Vec::new();
    collect(&serde_json::to_value(&found).unwrap(), &mut texts);
    assert!(!texts.iter().any(|text| text.chars().any(is_unprintable)), "{texts:?}");
    let parts = found.parts;
    let sum = parts.code + parts.data + parts.tables + parts.component + parts.custom + parts.rest;
    assert_eq!(sum, bytes.len() as u64, "{parts:?}");
    assert!(differences(&found, &found).changes.is_empty());
    let changes = differences(seed(), &found);
    assert!(changes.identical || !changes.changes.is_empty() || report.admissible);
}

/// What the first of the seeds is.
fn seed() -> &'static Review {
    static SEED: OnceLock<Review> = OnceLock::new();
    SEED.get_or_init(|| review(&seeds()[0], &InspectLimits::default()))
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
