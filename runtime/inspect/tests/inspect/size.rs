use std::fmt::Write as _;
use std::time::{Duration, Instant};

use portcullis_inspect::{InspectLimits, review};

use crate::fixtures::{BODY, admit, policy};

/// Larger than a Python or JavaScript policy: 30,000 functions of ordinary code and 8 MB of data.
fn large() -> Vec<u8> {
    let mut fields = BODY.to_owned();
    let ordinary = "(block (loop (br_if 1 (i32.eqz (local.get 0))) (local.set 0 (i32.sub (local.get 0) (i32.const 1))) \
                    (i32.store (local.get 0) (i32.add (i32.load (local.get 0)) (i32.const 77777))) (br 0)))";
    let body = ordinary.repeat(16);
    for _ in 0..30_000 {
        write!(fields, "(func (param i32) (result i32) (local i64 i32) {body} (i32.const 1))").unwrap();
    }
    for segment in 0..2_000 {
        write!(fields, "(data (i32.const {}) \"{}\")", segment * 4096, "x".repeat(4096)).unwrap();
    }
    policy(&fields.replacen("(memory (export \"memory\") 1)", "(memory (export \"memory\") 256)", 1))
}

#[test]
fn large_components_are_inspected_quickly() {
    let component = large();
    let (start, busy_before) = (Instant::now(), busy());
    let report = admit(&component);
    // Time on the processor, where the system tells it: other tests and builds run at the same time.
    let took = busy().zip(busy_before).map_or_else(|| start.elapsed(), |(after, before)| after - before);
    eprintln!("{} bytes, {} functions: {took:?}", report.size_bytes, report.sizes.functions);
    assert!(report.size_bytes > 20_000_000, "{}", report.size_bytes);
    let limit = if cfg!(debug_assertions) { 60 } else { 2 };
    assert!(took < Duration::from_secs(limit), "{took:?}");

    // The report on it, with its text searched: that much again at most.
    let busy_before = busy();
    let start = Instant::now();
    let found = review(&component, &InspectLimits::default());
    let took = busy().zip(busy_before).map_or_else(|| start.elapsed(), |(after, before)| after - before);
    eprintln!("the report on it: {took:?}");
    assert!(found.complete && found.strings.is_empty() && found.modules[0].functions == report.sizes.functions);
    assert!(took < Duration::from_secs(limit), "{took:?}");
}

/// How long this thread has been on a processor.
fn busy() -> Option<Duration> {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    line.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}
