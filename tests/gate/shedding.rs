//! Too much at once: what is shed is an error, and nothing of it proceeds or is recorded.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use portcullis::{
    CompileIn, DecideError, DecideOptions, Engine, EngineOptions, Gate, Ledger, LedgerOptions, Outcome, PolicySet,
    Recorded,
};

use super::site::{Site, codes, guest, request, says, size};

/// Every thread decides once, all at the same time.
fn at_once(gate: &Gate, threads: usize) -> Vec<Result<Recorded, DecideError>> {
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        let one = |n: usize| {
            let barrier = &barrier;
            move || {
                let request = request(&format!("service-{n}"));
                barrier.wait();
                gate.decide(request, &DecideOptions::default())
            }
        };
        let threads: Vec<_> = (0..threads).map(|n| scope.spawn(one(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn overloaded(results: &[Result<Recorded, DecideError>]) -> usize {
    results.iter().filter(|result| matches!(result, Err(DecideError::Overloaded { .. }))).count()
}

#[test]
fn more_in_flight_than_may_be_are_shed() {
    let site = Site::new();
    let slow = guest("slow", "01-loop", "limits = { fuel = 100_000_000_000, time-ms = 1_000 }");
    let gate = Gate::new(site.set("set", "", &[guest("yes", "00-allow", ""), slow]), site.ledger(), 2).unwrap();
    let results = at_once(&gate, 12);
    assert!(overloaded(&results) >= 6, "{}", overloaded(&results));
    let decided: Vec<&Recorded> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
    assert_eq!(decided.len() + overloaded(&results), 12);
    assert!(!decided.is_empty() && decided.iter().all(|recorded| recorded.outcome() == Outcome::Deny));
    assert_eq!(size(&gate), 1 + decided.len() as u64);
    for error in results.iter().filter_map(|result| result.as_ref().err()) {
        assert_eq!(error.code(), "portcullis.overloaded", "{error}");
    }
    // Places are given back, also by those that were shed.
    assert!(gate.decide(request("payment-api"), &DecideOptions::default()).is_ok());
}

#[test]
fn a_gate_without_a_place_decides_nothing() {
    let site = Site::new();
    let gate = Gate::new(site.set("set", "", &says(Outcome::Allow)), site.ledger(), 0).unwrap();
    assert_eq!(overloaded(&at_once(&gate, 4)), 4);
}

#[test]
fn a_full_queue_is_shed() {
    let site = Site::new();
    let options = LedgerOptions { max_queue: 1, max_batch: 1, ..LedgerOptions::default() };
    let ledger = Arc::new(Ledger::open(&site.ledger_file(), &options).unwrap());
    let gate = Gate::new(site.set("set", "", &says(Outcome::Allow)), ledger, 1024).unwrap();
    let other = rusqlite::Connection::open(site.ledger_file()).unwrap();
    let barrier = Barrier::new(25);
    let (shed, decided) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results = std::thread::scope(|scope| {
        // One is being written and one waits: so, of 24, 22 give up. Whoever is shed after that asks again.
        let one = |n: usize| {
            let (gate, barrier, shed, decided) = (&gate, &barrier, &shed, &decided);
            move || {
                barrier.wait();
                loop {
                    let result = gate.decide(request(&format!("service-{n}")), &DecideOptions::default());
                    let is_shed = matches!(result, Err(DecideError::Overloaded { .. }));
                    if !is_shed {
                        decided.fetch_add(1, Ordering::SeqCst);
                        return result;
                    }
                    if shed.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| (n < 22).then_some(n + 1)).is_ok() {
                        return result;
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        };
        let threads: Vec<_> = (0..24).map(|n| scope.spawn(one(n))).collect();
        // Another connection holds the database, for less long than the ledger waits for it.
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        barrier.wait();
        let started = Instant::now();
        while shed.load(Ordering::SeqCst) < 22 && started.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let before = (shed.load(Ordering::SeqCst), decided.load(Ordering::SeqCst));
        other.execute_batch("ROLLBACK").unwrap();
        assert_eq!(before, (22, 0), "nobody waits but two, and no answer without a commit");
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let decided: Vec<&Recorded> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
    assert_eq!((decided.len(), overloaded(&results)), (2, 22));
    assert!(decided.iter().all(|recorded| recorded.permission().is_some()));
    assert_eq!(size(&gate), 3);
}

/// An engine has so many sandboxes. Whoever finds none free waits: it is not told that a policy failed.
#[test]
fn more_evaluations_than_sandboxes_wait() {
    let site = Site::new();
    let folder = site.write_set("set", "", &[guest("busy", "01-loop", "limits = { fuel = 100_000_000 }")]);
    // As many as a gate evaluates at once on this machine, and a few for the policies themselves.
    let processors = u32::try_from(std::thread::available_parallelism().unwrap().get()).unwrap();
    let instances = (processors * 4).clamp(16, 128) + 4;
    let engine =
        Engine::new(&EngineOptions { instances, compile_in: CompileIn::ThisProcess, ..EngineOptions::default() })
            .unwrap();
    let gate = Gate::new(PolicySet::open(&folder, &engine).unwrap(), site.ledger(), 1024).unwrap();
    let results = at_once(&gate, usize::try_from(instances).unwrap() * 4);
    for recorded in results.iter().map(|result| result.as_ref().unwrap()) {
        assert_eq!(codes(recorded)[0], "fault.fuel");
    }
}
