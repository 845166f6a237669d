//! Row 24: hostile evaluations leave nothing behind, neither memory nor descriptors. `PORTCULLIS_HOSTILE_EVALUATIONS`
//! says how many there are (2,000 unless it says otherwise).

use std::fs;

use portcullis_engine::{Engine, Policy};
use portcullis_tests::find;

use super::meet::{load, options, request, said};

/// Guests that fault in every way that is quick, and one that allows between them.
const GUESTS: [&str; 14] = [
    "00-allow",
    "03-log",
    "04-memory-grow-at-once",
    "07-recursion",
    "09-realloc-out-of-bounds",
    "10-bad-utf8",
    "10-list-of-2g",
    "10-nested-lists-aliasing",
    "10-string-over-the-result-limit",
    "11-post-return-traps",
    "12-handles-leaked",
    "13-log-flood",
    "21-dirt",
    "26-module-twice",
];

#[test]
fn hostile_evaluations_leave_nothing_behind() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let wanted = std::env::var("PORTCULLIS_HOSTILE_EVALUATIONS").ok();
    let evaluations = wanted.map_or(2_000, |text| text.parse().expect("a number of evaluations"));
    let engine = Engine::new(&options()).expect("an engine");
    let policies: Vec<Policy> = GUESTS.iter().map(|name| load(&engine, &find(name)).expect("a policy")).collect();
    let expected: Vec<String> = policies.iter().map(|policy| said(&policy.evaluate(&request()))).collect();
    let run = |rounds: usize| {
        for _ in 0..rounds {
            for (policy, expected) in policies.iter().zip(&expected) {
                assert_eq!(&said(&policy.evaluate(&request())), expected);
            }
        }
    };
    // Allocators and pools settle first.
    run(20);
    let (memory, descriptors) = (resident_bytes(), open_descriptors());
    run(evaluations / GUESTS.len());
    let (memory_after, descriptors_after) = (resident_bytes(), open_descriptors());
    // Other tests of this process run beside this one, so the bound is what a leak of 1 KiB an evaluation would pass
    // at 100,000 evaluations.
    let allowed = memory / 50 + 64 * 1024 * 1024;
    assert!(memory_after < memory + allowed, "resident memory grew from {memory} to {memory_after} bytes");
    assert!(descriptors_after < descriptors + 64, "descriptors grew from {descriptors} to {descriptors_after}");
}

fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a size") * 1024
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("procfs").count()
}
