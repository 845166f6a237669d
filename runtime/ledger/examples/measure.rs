//! Measures a ledger in a folder: `measure FOLDER [EVENTS]`, or only the verification of what is there:
//! `measure FOLDER verify`; or only one caller: `measure FOLDER alone`; or only the making of
//! entries: `measure FOLDER record`. Prints one line of JSON for each figure.
//!
//! The disk decides most of these, so a single fsync on the same folder is measured beside them, before and after.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    dead_code,
    reason = "measures, and stops where it cannot"
)]

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use std::time::{Duration, Instant};

use portcullis_gate::{Decision, PinnedSet};

use portcullis_ledger::store::sqlite::{Sqlite, check_pages};
use portcullis_ledger::store::{Entry, ReadStore as _};
use portcullis_ledger::{Appended, Ledger, LedgerOptions, default_copies, verify_file, verify_store};

#[path = "../tests/stores/sample.rs"]
mod sample;

const THREADS: u64 = 256;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().expect("measure FOLDER [EVENTS]");
    let what = arguments.next().unwrap_or_else(|| "1000000".to_owned());
    let folder = Path::new(&folder);
    if what == "alone" {
        std::fs::create_dir_all(folder).unwrap();
        fsync(folder);
        one_by_one(folder);
        light_load(folder);
        return fsync(folder);
    }
    if what == "record" {
        return records();
    }
    if what == "verify" {
        parts(&folder.join("large"));
        return verify(&folder.join("large"));
    }
    let events: u64 = what.parse().unwrap();
    std::fs::create_dir_all(folder).unwrap();

    records();
    fsync(folder);
    let alone = one_by_one(folder);
    let together = many_threads(folder);
    println!(r#"{{"figure": "together_over_alone", "value": {:.1}}}"#, together / alone);
    light_load(folder);
    fsync(folder);
    large(folder, events);
}

/// What making an entry of a decision costs: canonical JSON, two commitments, the event.
fn records() {
    const COUNT: u64 = 20_000;
    let decisions: Vec<_> = (0..500).map(decision).collect();
    let mut bytes = 0;
    let start = Instant::now();
    for (n, decision) in (0..COUNT).zip(decisions.iter().cycle()) {
        let entry = sample::recorded(n, decision);
        bytes = entry.event.leaf.len() + entry.decision.map_or(0, |decision| decision.bytes.len());
    }
    let each = start.elapsed().as_secs_f64() * 1e6 / COUNT as f64;
    println!(r#"{{"figure": "record", "bytes": {bytes}, "value_us": {each:.1}}}"#);
}

/// What one write of 4 KiB and one sync cost, appending to a file.
fn fsync(folder: &Path) {
    let path = folder.join("fsync");
    let mut file = std::fs::File::create(&path).unwrap();
    let times = (0..300).map(|_| {
        let start = Instant::now();
        file.write_all(&[7; 4096]).unwrap();
        file.sync_all().unwrap();
        start.elapsed()
    });
    print_times("fsync", times.collect());
    std::fs::remove_file(path).unwrap();
}

/// One thread: each append waits for a commit of its own.
fn one_by_one(folder: &Path) -> f64 {
    let ledger = open(&folder.join("alone"));
    let entries: Vec<Entry> = (0..4000).map(entry).collect();
    let count = entries.len();
    let mut times = Vec::with_capacity(count);
    let start = Instant::now();
    for entry in entries {
        let start = Instant::now();
        append(&ledger, entry);
        times.push(start.elapsed());
    }
    let rate = count as f64 / start.elapsed().as_secs_f64();
    print_times("append_alone", times);
    print_rate("appends_alone", rate)
}

fn many_threads(folder: &Path) -> f64 {
    let ledger = open(&folder.join("together"));
    let each = 200;
    let mut entries: Vec<Vec<Entry>> = Vec::new();
    for thread in 0..THREADS {
        entries.push((0..each).map(|n| entry(thread * each + n)).collect());
    }
    let start = Instant::now();
    std::thread::scope(|scope| {
        for entries in entries {
            let ledger = &ledger;
            scope.spawn(move || entries.into_iter().for_each(|entry| append(ledger, entry)));
        }
    });
    print_rate("appends_of_256_threads", (THREADS * each) as f64 / start.elapsed().as_secs_f64())
}

/// One append every 10 ms.
fn light_load(folder: &Path) {
    let ledger = open(&folder.join("light"));
    let entries: Vec<Entry> = (0..1000).map(entry).collect();
    let times = entries.into_iter().map(|entry| {
        std::thread::sleep(Duration::from_millis(10));
        let start = Instant::now();
        append(&ledger, entry);
        start.elapsed()
    });
    print_times("append_under_light_load", times.collect());
}

fn large(folder: &Path, events: u64) {
    let path = folder.join("large");
    let ledger = open(&path);
    let next = AtomicU64::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= events {
                        break;
                    }
                    append(&ledger, entry(n));
                }
            });
        }
    });
    print_rate("appends_while_filling", events as f64 / start.elapsed().as_secs_f64());
    drop(ledger);
    println!(r#"{{"figure": "file_bytes", "value": {}}}"#, std::fs::metadata(&path).unwrap().len());
    for _ in 0..5 {
        let start = Instant::now();
        let ledger = open(&path);
        println!(r#"{{"figure": "open_ms", "events": {events}, "value": {:.1}}}"#, ms(start.elapsed()));
        drop(ledger);
    }
    verify(&path);
}

fn verify(path: &Path) {
    let start = Instant::now();
    let found = verify_file(path, &default_copies(path), None).unwrap();
    assert!(found.is_sound(), "{:?}", found.problems.first());
    println!(r#"{{"figure": "verify_s", "events": {}, "value": {:.1}}}"#, found.size, start.elapsed().as_secs_f64());
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: unknown");
    println!(r#"{{"figure": "peak_memory", "value": "{}"}}"#, peak.replace("VmHWM:", "").trim());
}

/// What the three parts of verifying cost alone; they run at the same time otherwise.
fn parts(path: &Path) {
    let mut store = Sqlite::open_still(path).unwrap();
    let start = Instant::now();
    assert!(verify_store(&mut store, &default_copies(path), None).unwrap().is_sound());
    println!(r#"{{"figure": "verify_events_s", "value": {:.1}}}"#, start.elapsed().as_secs_f64());
    let start = Instant::now();
    assert!(check_pages(path, store.written_by().unwrap()).unwrap().problems.is_empty());
    println!(r#"{{"figure": "verify_pages_s", "value": {:.1}}}"#, start.elapsed().as_secs_f64());
    let start = Instant::now();
    assert!(store.check_itself().unwrap().is_empty());
    println!(r#"{{"figure": "verify_structure_s", "value": {:.1}}}"#, start.elapsed().as_secs_f64());
}

static SET: LazyLock<Arc<PinnedSet>> = LazyLock::new(|| sample::set_of(5));

/// Five policies, a request of 1 KB.
fn decision(n: u64) -> Decision {
    sample::decided(n, &format!("action-{}", n % 3), &SET, 800)
}

/// What a gate hands over.
fn entry(n: u64) -> Entry {
    sample::recorded(n, &decision(n))
}

fn open(path: &Path) -> Ledger {
    Ledger::open(path, &LedgerOptions::default()).unwrap()
}

fn append(ledger: &Ledger, entry: Entry) {
    match ledger.append(entry).unwrap() {
        Appended::Committed(_) => {}
        other => panic!("{other:?}"),
    }
}

fn print_rate(figure: &str, rate: f64) -> f64 {
    println!(r#"{{"figure": "{figure}", "per_second": {rate:.0}}}"#);
    rate
}

fn print_times(figure: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |part: f64| ms(times[((times.len() - 1) as f64 * part) as usize]);
    let (p50, p99, max) = (at(0.5), at(0.99), at(1.0));
    println!(r#"{{"figure": "{figure}", "p50_ms": {p50:.2}, "p99_ms": {p99:.2}, "max_ms": {max:.2}}}"#);
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
