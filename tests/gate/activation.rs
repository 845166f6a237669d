//! Which set decides, and the ledger's record of it.

use std::time::{Duration, Instant};

use portcullis::{DecideOptions, Outcome, PolicySet, ReplayResult, Replayer};

use super::site::{Site, decide, engine, guest, request, says, size};

fn activations(site: &Site) -> usize {
    site.reader().of_kind("policy-set.activated", u64::MAX, 100).unwrap().len()
}

#[test]
fn a_set_is_recorded_once_and_again_after_another_one() {
    let site = Site::new();
    let set = |outcome: Outcome| site.set(outcome.as_str(), "", &says(outcome));
    let gate = site.gate(set(Outcome::Allow));
    assert_eq!(activations(&site), 1);
    gate.activate(set(Outcome::Allow)).unwrap();
    drop(gate);
    let gate = site.gate(set(Outcome::Allow));
    assert_eq!(activations(&site), 1, "opened again, it is the same set");
    let mut ids = vec![(decide(&gate, "payment-api").id(), Outcome::Allow)];
    for (outcome, count) in [(Outcome::Deny, 2), (Outcome::Allow, 3), (Outcome::Escalate, 4)] {
        gate.activate(set(outcome)).unwrap();
        assert_eq!(activations(&site), count, "{outcome}");
        let recorded = decide(&gate, "payment-api");
        assert_eq!(recorded.outcome(), outcome);
        ids.push((recorded.id(), outcome));
    }
    drop(gate);
    // Each is replayed by the set that decided it, from the ledger alone.
    for outcome in ["allow", "deny", "escalate"] {
        std::fs::remove_dir_all(site.path().join(outcome)).unwrap();
    }
    let reader = site.reader();
    let replayer = Replayer::new(&reader, engine().clone());
    for (id, outcome) in ids {
        let replayed = replayer.replay(id).unwrap();
        assert_eq!((replayed.result, replayed.now), (ReplayResult::Match, Some(outcome)), "{replayed:?}");
    }
}

#[test]
fn a_module_that_was_replaced_on_disk_changes_neither_the_gate_nor_a_replay() {
    let site = Site::new();
    let folder = site.write_set("set", "", &[guest("yes", "00-allow", "")]);
    let gate = site.gate(PolicySet::open(&folder, engine()).unwrap());
    let before = decide(&gate, "payment-api");
    std::fs::write(folder.join("yes.wasm"), portcullis_tests::find("00-deny-by-zero").bytes).unwrap();
    assert!(PolicySet::open(&folder, engine()).is_err(), "it is not the one that was locked");
    let after = decide(&gate, "payment-api");
    assert_eq!(after.outcome(), Outcome::Allow);
    let reader = site.reader();
    let replayer = Replayer::new(&reader, engine().clone());
    for id in [before.id(), after.id()] {
        assert_eq!(replayer.replay(id).unwrap().result, ReplayResult::Match);
    }
}

#[test]
fn whoever_is_deciding_while_a_set_is_exchanged_is_decided_by_one_of_them() {
    let site = Site::new();
    let gate = site.gate(site.set("allow", "", &says(Outcome::Allow)));
    std::thread::scope(|scope| {
        let deciding: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    (0..25).map(|_| gate.decide(request("payment-api"), &DecideOptions::default()).unwrap()).collect()
                })
            })
            .collect();
        for _ in 0..4 {
            for outcome in [Outcome::Deny, Outcome::Allow] {
                gate.activate(site.set(outcome.as_str(), "", &says(outcome))).unwrap();
            }
        }
        for thread in deciding {
            let all: Vec<portcullis::Recorded> = thread.join().unwrap();
            for recorded in all {
                assert_eq!(recorded.view().unwrap().policy_set.name, recorded.outcome().as_str());
            }
        }
    });
    assert_eq!(size(&gate), 100 + 9);
    let reader = site.reader();
    let replayer = Replayer::new(&reader, engine().clone());
    for listed in reader.list(&Default::default(), 1000).unwrap() {
        let (_, event) = reader.events(listed.index..listed.index + 1).unwrap().remove(0);
        assert_eq!(replayer.replay(event.id).unwrap().result, ReplayResult::Match);
    }
}

/// Whoever needs no ledger's writer is answered while a set waits to be recorded.
#[test]
fn a_set_that_waits_for_the_ledger_stops_nobody() {
    let site = Site::new();
    let gate = site.gate(site.set("allow", "", &says(Outcome::Allow)));
    let options = DecideOptions { idempotency_key: Some("one".into()), ..DecideOptions::default() };
    let first = gate.decide(request("payment-api"), &options).unwrap();
    let next = site.set("deny", "", &says(Outcome::Deny));
    // Another connection holds the database, for less long than the ledger waits for it.
    let other = rusqlite::Connection::open(site.ledger_file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let activating = scope.spawn(|| gate.activate(next));
        std::thread::sleep(Duration::from_millis(300));
        let started = Instant::now();
        let repeated = gate.decide(request("payment-api"), &options).unwrap();
        assert_eq!((repeated.id(), repeated.outcome()), (first.id(), Outcome::Allow));
        assert!(gate.warnings().is_empty());
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        assert!(!activating.is_finished(), "it is recorded before it decides");
        other.execute_batch("ROLLBACK").unwrap();
        activating.join().unwrap().unwrap();
    });
    assert_eq!(decide(&gate, "payment-api").outcome(), Outcome::Deny);
    assert_eq!(activations(&site), 2);
}
