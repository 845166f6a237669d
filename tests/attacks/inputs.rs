//! What a policy asks the host to read is bounded like what it does itself, before any of it runs.

use std::time::{Duration, Instant};

use portcullis_engine::Mode;
use portcullis_gate::{MAX_DEPTH, Request, Said};
use portcullis_tests::{Guest, component, module};

use super::meet::{engine, honest_is_allowed, load, said};

/// Every container of the request from `/context` down to the deepest, one pointer each.
const NESTED: usize = MAX_DEPTH - 8;

/// A policy that wants `/context`, `/context/a`, `/context/a/a` ..., and allows.
fn nested(limits: &[(&str, u64)]) -> Guest {
    let deepest = format!("/context{}", "/a".repeat(NESTED - 1));
    let list: String = (0..NESTED)
        .flat_map(|depth| [1024, "/context".len() + 2 * depth])
        .flat_map(|number| u32::try_from(number).expect("small").to_le_bytes())
        .map(|byte| format!("\\{byte:02x}"))
        .collect();
    let text = format!(
        r#"(module
          (memory (export "memory") 1)
          ;; include: realloc
          ;; include: answer
          (func (export "configure") (param i32 i32) (result i32) (i32.const 16))
          (data (i32.const 16) "\00\00\00\00" "\00\08\00\00" "\{NESTED:02x}\00\00\00")
          (data (i32.const 1024) "{deepest}")
          (data (i32.const 2048) "{list}")
          (func (export "evaluate") (param i32 i32) (result i32) (i32.const 64)))"#
    );
    Guest {
        bytes: component(&module(&text)),
        limits: limits.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect(),
        ..portcullis_tests::find("00-allow")
    }
}

fn request(innermost: &str) -> Request {
    let context = format!("{}{innermost}{}", "{\"a\":".repeat(NESTED), "}".repeat(NESTED));
    let text = format!(
        r#"{{"subject":{{"type":"user","id":"ann"}},"action":{{"name":"deploy"}},
            "resource":{{"type":"service","id":"payment-api"}},"context":{context}}}"#
    );
    Request::parse(text.as_bytes(), "2026-03-14T09:30:00Z".parse().expect("a time")).expect("a request")
}

/// 31 MB, asked for as often as it is deep: 1.7 GB of text.
fn large() -> Request {
    request(&format!("[{}0]", "1234567,".repeat(31_000_000 / 8)))
}

/// Bytes of this process that are in memory.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("kB") * 1024
}

#[test]
fn inputs_that_the_guests_memory_cannot_hold_are_not_written() {
    let policy = load(engine(), &nested(&[])).expect("loads");
    assert_eq!((policy.inputs().len(), policy.mode()), (NESTED, &Mode::Snapshot));
    assert_eq!(said(&policy.evaluate(&request("[1]"))), "allow");
    let request = large();
    #[cfg(target_os = "linux")]
    let before = resident();
    let evaluation = policy.evaluate(&request);
    assert_eq!(said(&evaluation), "fault.memory", "{:?}", evaluation.said);
    assert!(matches!(&evaluation.said, Said::Fault(faulted) if faulted.detail.contains("16777216 bytes")));
    assert_eq!((evaluation.fuel, evaluation.memory_bytes), (0, 0), "the guest never ran");
    #[cfg(target_os = "linux")]
    assert!(resident() < before + 128 * 1024 * 1024, "{} bytes more", resident() - before);
    honest_is_allowed();
}

#[test]
fn inputs_that_take_too_long_end_at_the_time_limit() {
    let policy = load(engine(), &nested(&[("time-ms", 1), ("memory-mib", 32)])).expect("loads");
    // 31 MB in all, within the memory limit: what must be written again for each pointer is not written in a millisecond.
    let request = request(&format!("[{}0]", "1,".repeat(280_000)));
    let started = Instant::now();
    let evaluation = policy.evaluate(&request);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!((said(&evaluation).as_str(), evaluation.fuel), ("fault.time", 0), "{:?}", evaluation.said);
    honest_is_allowed();
}
