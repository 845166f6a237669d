//! Policies that count past decisions: what they counted still holds when the decision is recorded, or it is made anew.

use std::sync::{Arc, Barrier};

use jiff::SignedDuration;
use portcullis::{DecideError, DecideOptions, Gate, Outcome, Recorded, ReplayResult, Replayer};

use super::site::{Site, codes, decide, engine, guest, rate, request_at};

const THREADS: usize = 32;

#[test]
fn a_limit_holds_however_many_are_decided_at_once() {
    for at_most in [1u32, 5] {
        let (site, gate) = Site::with(&[rate(at_most)]);
        let barrier = Barrier::new(THREADS);
        let all: Vec<Recorded> = std::thread::scope(|scope| {
            let one = || {
                let request = super::site::request("payment-api");
                barrier.wait();
                gate.decide(request, &DecideOptions::default()).unwrap()
            };
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let proceeding = all.iter().filter(|recorded| recorded.permission().is_some()).count();
        assert_eq!(proceeding, at_most as usize);
        let stopped = all.iter().filter(|recorded| recorded.outcome() == Outcome::Defer);
        assert_eq!(stopped.count(), THREADS - at_most as usize);
        assert!(all.iter().any(|recorded| recorded.tries() > 1), "nothing was decided at once: the test shows nothing");
        // What each was told is what it was decided by.
        let reader = site.reader();
        let replayer = Replayer::new(&reader, engine().clone());
        for recorded in &all {
            let replayed = replayer.replay(recorded.id()).unwrap();
            assert_eq!(replayed.result, ReplayResult::Match, "{replayed:?}");
        }
    }
}

/// Of two requests that are decided at once the later one may be recorded first. It lies after the window of the other one,
/// which counts it all the same.
#[test]
fn a_request_from_before_the_last_recorded_one_counts_it() {
    let (_site, gate) = Site::with(&[rate(1)]);
    let now = portcullis::now();
    let later = gate.decide(request_at("payment-api", now), &DecideOptions::default()).unwrap();
    assert!(later.permission().is_some());
    for before in [1, 20, 5_000] {
        let earlier = now - SignedDuration::from_millis(before);
        let recorded = gate.decide(request_at("payment-api", earlier), &DecideOptions::default()).unwrap();
        assert_eq!((recorded.outcome(), recorded.tries()), (Outcome::Defer, 2), "{before} ms before");
        assert_eq!(codes(&recorded), ["sample.deploy-rate.limit-reached"]);
    }
}

/// The ledger has a decision of tomorrow: the clock was wrong then, or it is now. Nothing proceeds that would have to count
/// it, and everything else goes on.
#[test]
fn a_ledger_that_is_ahead_of_the_clock_is_contended() {
    let (_site, gate) = Site::with(&[rate(1)]);
    let tomorrow = portcullis::now() + SignedDuration::from_hours(24);
    assert_eq!(
        gate.decide(request_at("payment-api", tomorrow), &DecideOptions::default()).unwrap().outcome(),
        Outcome::Allow
    );
    let events = super::site::size(&gate);
    let result = gate.decide(super::site::request("payment-api"), &DecideOptions::default());
    assert!(matches!(result, Err(DecideError::Contended)), "{result:?}");
    assert_eq!(super::site::size(&gate), events);
    assert!(decide(&gate, "billing").permission().is_some());
}

/// Two gates on one ledger, as when a set is tried beside another: each counts what the other recorded.
#[test]
fn what_another_gate_recorded_counts() {
    let site = Site::new();
    let ledger = site.ledger();
    let gates = ["one", "two"].map(|name| Gate::new(site.set(name, "", &[rate(2)]), Arc::clone(&ledger), 64).unwrap());
    let proceeding: usize = std::thread::scope(|scope| {
        let decide = |gate| move || usize::from(decide(gate, "payment-api").permission().is_some());
        let threads: Vec<_> = (0..16).map(|n| scope.spawn(decide(&gates[n % 2]))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(proceeding, 2);
}

#[test]
fn a_rehearsal_has_no_history() {
    let site = Site::new();
    let gate = Gate::dry_run(site.set("set", "", &[guest("yes", "00-allow", ""), rate(5)]), 8);
    let recorded = decide(&gate, "payment-api");
    assert_eq!((recorded.outcome(), codes(&recorded)[0].as_str()), (Outcome::Deny, "fault.history"));
}
