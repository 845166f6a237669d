//! Too much at once: what is shed is an error, and nothing of it proceeds or is recorded.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use portcullis::{
    CompileIn, DecideError, DecideOptions, Engine, EngineOptions, Gate, HistorySource, Ledger, LedgerOptions, Outcome,
    PolicySet, Recorded,
};
use portcullis_gate::Said;

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

/// An engine has so many sandboxes, each of its own pools. Whoever finds none free waits: it is not told that a policy failed.
#[test]
fn more_evaluations_than_sandboxes_wait() {
    let site = Site::new();
    let folder = site.write_set("set", "", &[guest("busy", "01-loop", "limits = { fuel = 20_000_000 }")]);
    for instances in [1, 3, 8] {
        let engine = engine_of(instances);
        let gate = Gate::new(PolicySet::open(&folder, &engine).unwrap(), site.ledger(), 1024).unwrap();
        for recorded in at_once(&gate, 24).iter().map(|result| result.as_ref().unwrap()) {
            assert_eq!(codes(recorded), ["fault.fuel"], "{instances} sandboxes");
        }
    }
}

/// Gates, and whoever else evaluates on an engine, share its sandboxes.
#[test]
fn an_engine_that_is_shared_is_not_asked_for_more_than_it_has() {
    let site = Site::new();
    let folder = site.write_set("set", "", &[guest("busy", "01-loop", "limits = { fuel = 20_000_000 }")]);
    let engine = engine_of(4);
    let open = || PolicySet::open(&folder, &engine).unwrap();
    let (recorded, rehearsed, alone) =
        (Gate::new(open(), site.ledger(), 64).unwrap(), Gate::dry_run(open(), 64), open());
    let barrier = Barrier::new(24);
    std::thread::scope(|scope| {
        for n in 0..24 {
            let (barrier, recorded, rehearsed, alone) = (&barrier, &recorded, &rehearsed, &alone);
            scope.spawn(move || {
                let (request, options) = (request(&format!("service-{n}")), DecideOptions::default());
                barrier.wait();
                let code = match n % 4 {
                    0 => codes(&recorded.decide(request, &options).unwrap()).remove(0),
                    1 => codes(&rehearsed.decide(request, &options).unwrap()).remove(0),
                    2 => {
                        let decision = alone.decide(&request, &options, &HistorySource::None);
                        decision.findings().next().unwrap().code.into_owned()
                    }
                    _ => match alone.policies()[0].as_ref().unwrap().evaluate(&request).said {
                        Said::Fault(faulted) => faulted.fault.code().to_owned(),
                        Said::Answer(answer) => format!("{answer:?}"),
                    },
                };
                assert_eq!(code, "fault.fuel", "{n}");
            });
        }
    });
}

/// A sandbox of this policy takes four times the room of an ordinary one.
#[test]
fn a_policy_with_many_memories_takes_the_room_of_several() {
    let site = Site::new();
    let folder = site.write_set("set", "", &[guest("wide", "00-eight-memories", "")]);
    for (instances, expected) in [(4, "guest.hostile.allow"), (9, "guest.hostile.allow"), (3, "load.resources")] {
        let gate = Gate::dry_run(PolicySet::open(&folder, &engine_of(instances)).unwrap(), 64);
        for recorded in at_once(&gate, 16).iter().map(|result| result.as_ref().unwrap()) {
            assert_eq!(codes(recorded), [expected], "{instances} sandboxes");
        }
    }
}

fn engine_of(instances: u32) -> Engine {
    let options = EngineOptions { instances, compile_in: CompileIn::ThisProcess, ..EngineOptions::default() };
    Engine::new(&options).unwrap()
}
