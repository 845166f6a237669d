//! Made again from the ledger's bytes: the same decision, or the precise reason why not, and never a false match.

use std::sync::Arc;

use portcullis::{
    DecideOptions, Fault, HistorySource, Ledger, Outcome, PolicySet, ReplayError, ReplayResult, Replayed, Replayer,
    Request,
};
use portcullis_gate::{
    Answer, Call, Decision, Faulted, Finding, PinnedSet, PolicyRun, Said, Sha256, Verdict, decide as decide_by, select,
};
use portcullis_ledger::store::{Entry, Payload};
use portcullis_ledger::{Recording, Salt, Time, record};
use uuid::Uuid;

use super::site::{Policy, Site, built, decide, engine, erase, guest, rate, request, says};

fn replay(site: &Site, id: Uuid) -> Result<Replayed, ReplayError> {
    let reader = site.reader();
    Replayer::new(&reader, engine().clone()).replay(id)
}

#[test]
fn every_outcome_is_replayed() {
    for outcome in Outcome::ALL {
        let (site, gate) = Site::with(&says(outcome));
        let id = decide(&gate, "payment-api").id();
        let replayed = replay(&site, id).unwrap();
        assert_eq!((replayed.result, replayed.outcome, replayed.now), (ReplayResult::Match, outcome, Some(outcome)));
    }
}

#[test]
fn faults_are_replayed() {
    for (name, code) in [
        ("01-loop", "fault.fuel"),
        ("01-loop-with-little-fuel", "fault.fuel"),
        ("26-dropped-segment", "fault.trap"),
        ("07-recursion", "fault.stack"),
        ("04-memory-grow", "fault.memory"),
        ("28-history-once-too-often", "fault.host-calls"),
    ] {
        let found = portcullis_tests::find(name);
        assert_eq!(found.expect, portcullis_tests::Expect::Fault(code.into()), "{name}");
        let (site, gate) = Site::with(&[guest("yes", "00-allow", ""), guest("bad", name, "")]);
        let recorded = decide(&gate, "payment-api");
        assert_eq!(recorded.view().unwrap().policies[1].fault.as_ref().unwrap().code, code, "{name}");
        let replayed = replay(&site, recorded.id()).unwrap();
        assert_eq!(replayed.result, ReplayResult::Match, "{name}: {replayed:?}");
    }
}

/// A module that cannot be loaded is pinned as it is, and replayed as what it is.
#[test]
fn a_module_that_cannot_be_loaded_is_replayed() {
    let garbage = Policy { name: "garbage", module: b"\0asm garbage".to_vec(), more: String::new() };
    let (site, gate) = Site::with(&[guest("yes", "00-allow", ""), garbage]);
    let recorded = decide(&gate, "payment-api");
    assert_eq!(recorded.outcome(), Outcome::Deny);
    let replayed = replay(&site, recorded.id()).unwrap();
    assert_eq!(replayed.result, ReplayResult::Match, "{replayed:?}");
}

/// The set's digest does not depend on where its files are, so what a decision says of a fault must not either.
#[test]
fn moved_files_change_nothing_in_what_a_fault_says() {
    let site = Site::new();
    let folder = site.path().join("set");
    let mut ids = Vec::new();
    for place in ["before", "after"] {
        std::fs::create_dir_all(folder.join(place)).unwrap();
        std::fs::write(folder.join(place).join("calendar.json"), "{").unwrap();
        let more = format!("data = {{ calendar = \"{place}/calendar.json\" }}");
        let gate = site.gate(site.set("set", "", &[guest("yes", "00-allow", &more)]));
        let recorded = decide(&gate, "payment-api");
        let view = recorded.view().unwrap();
        assert_eq!(view.policies[0].fault.as_ref().unwrap().code, "load.data");
        assert!(!view.policies[0].fault.as_ref().unwrap().detail.contains(place), "{:?}", view.policies[0].fault);
        ids.push(recorded.id());
    }
    let activations = site.reader().of_kind("policy-set.activated", u64::MAX, 10).unwrap();
    assert_eq!(activations.len(), 1, "the same set");
    for id in ids {
        let replayed = replay(&site, id).unwrap();
        assert_eq!(replayed.result, ReplayResult::Match, "{replayed:?}");
    }
}

/// Settings in a file, a reference document, and what was counted: all from the ledger.
#[test]
fn what_policies_read_is_replayed() {
    let site = Site::new();
    let folder = site.path().join("set");
    std::fs::create_dir_all(&folder).unwrap();
    let settings = r#"{"limits":[{"at_most":2,"per_minutes":60}]}"#;
    std::fs::write(folder.join("limits.json"), settings).unwrap();
    std::fs::write(folder.join("calendar.json"), r#"{"a":1}"#).unwrap();
    let more = "settings-file = \"limits.json\"\ndata = { calendar = \"calendar.json\" }".to_owned();
    let gate = site.gate(site.set("set", "", &[Policy { name: "rate", module: built("deploy-rate"), more }]));
    let all: Vec<_> = (0..3).map(|_| decide(&gate, "payment-api")).collect();
    assert_eq!(
        all.iter().map(|one| one.outcome()).collect::<Vec<_>>(),
        [Outcome::Allow, Outcome::Allow, Outcome::Defer]
    );
    std::fs::remove_dir_all(&folder).unwrap();
    // More decisions meanwhile change nothing of what was counted then.
    for recorded in &all {
        let replayed = replay(&site, recorded.id()).unwrap();
        assert_eq!(replayed.result, ReplayResult::Match, "{replayed:?}");
    }
}

#[test]
fn what_was_erased_is_erased() {
    let (site, gate) = Site::with(&says(Outcome::Allow));
    let recorded = decide(&gate, "payment-api");
    erase(gate.ledger().unwrap(), recorded.id());
    let replayed = replay(&site, recorded.id()).unwrap();
    assert_eq!((replayed.result, replayed.outcome, replayed.now), (ReplayResult::Erased, Outcome::Allow, None));
    drop(gate);
    assert!(!site.ledger_holds(b"\"environment\":\"staging\""), "the bytes are gone");
}

#[test]
fn another_engine_is_said_to_be_another() {
    let (site, gate) = Site::with(&[guest("yes", "00-allow", "")]);
    let id =
        forged(&site, gate.ledger().unwrap(), |set| set.engine.configuration_sha256 = Sha256::of(b"other"), allowed());
    let replayed = replay(&site, id).unwrap();
    assert_eq!(replayed.result, ReplayResult::EngineChanged, "{replayed:?}");
    // Another release of the same configuration decides alike; each decision names its own.
    let same = forged(&site, gate.ledger().unwrap(), |set| set.engine.version = "elder".into(), real(&site, 1));
    let own = decide(&gate, "payment-api").id();
    let reader = site.reader();
    let replayer = Replayer::new(&reader, engine().clone());
    for id in [own, same, own] {
        let replayed = replayer.replay(id).unwrap();
        assert_eq!(replayed.result, ReplayResult::Match, "{replayed:?}");
    }
}

#[test]
fn a_decision_that_was_not_made_by_its_policies_differs() {
    let (site, gate) = Site::with(&[guest("yes", "00-allow", "")]);
    let fuel = PolicyRun { fuel: 1, ..real(&site, 1) };
    let id = forged(&site, gate.ledger().unwrap(), |_| {}, fuel);
    let replayed = replay(&site, id).unwrap();
    assert_eq!((replayed.result, replayed.now), (ReplayResult::Differs, Some(Outcome::Allow)));
    let reason = replayed.reason.unwrap();
    assert!(reason.starts_with("/policies/0/fuel: recorded 1, now "), "{reason}");
    let id = forged(&site, gate.ledger().unwrap(), |_| {}, said(Outcome::Warn));
    assert_eq!(replay(&site, id).unwrap().result, ReplayResult::Differs);
}

#[test]
fn what_the_clock_cut_short_is_no_match_and_no_difference() {
    let (site, gate) = Site::with(&[guest("yes", "00-allow", "")]);
    let fault = Said::Fault(Faulted { fault: Fault::Time, detail: "more than 10 ms".into() });
    let id = forged(&site, gate.ledger().unwrap(), |_| {}, PolicyRun { said: fault, ..allowed() });
    let replayed = replay(&site, id).unwrap();
    assert_eq!((replayed.result, replayed.outcome), (ReplayResult::HostTimeLimit, Outcome::Deny), "{replayed:?}");
    assert!(replayed.reason.unwrap().contains("the policy yes"));
}

#[test]
fn a_missing_or_damaged_byte_is_an_error() {
    let tampering = [
        "DELETE FROM blobs WHERE no = (SELECT max(no) FROM blobs)",
        "DELETE FROM blobs",
        "UPDATE blobs SET bytes = CAST(replace(bytes, 'portcullis', 'portculliS') AS BLOB)",
        "UPDATE blobs SET bytes = zeroblob(length(bytes))",
        "UPDATE payloads SET bytes = zeroblob(length(bytes))",
        "UPDATE payloads SET salt = zeroblob(32)",
        "DELETE FROM payloads",
        "UPDATE payloads SET erased = 1, salt = zeroblob(32), bytes = zeroblob(length(bytes))",
        "UPDATE payloads SET bytes = CAST(replace(bytes, 'staging', 'stagin_') AS BLOB)",
    ];
    for sql in tampering {
        let (site, gate) = Site::with(&[guest("yes", "00-allow", "")]);
        let id = decide(&gate, "payment-api").id();
        drop(gate);
        assert_eq!(replay(&site, id).unwrap().result, ReplayResult::Match);
        let changed = rusqlite::Connection::open(site.ledger_file()).unwrap().execute(sql, []).unwrap();
        assert!(changed > 0, "{sql}");
        let replayed = replay(&site, id);
        assert!(matches!(replayed, Err(ReplayError::Damaged { .. } | ReplayError::Store(_))), "{sql}: {replayed:?}");
    }
}

#[test]
fn an_unknown_id_is_an_error() {
    let (site, gate) = Site::with(&says(Outcome::Allow));
    drop(gate);
    assert!(matches!(replay(&site, Uuid::now_v7()), Err(ReplayError::Unknown { .. })));
    let (_, event) = site.reader().events(0..1).unwrap().remove(0);
    assert!(matches!(replay(&site, event.id), Err(ReplayError::Unknown { .. })), "an event that is no decision");
}

#[test]
fn many_threads_replay_with_one_replayer() {
    let (site, gate) = Site::with(&[guest("yes", "00-allow", ""), rate(3)]);
    let ids: Vec<Uuid> = (0..40).map(|n| decide(&gate, &format!("service-{}", n % 4)).id()).collect();
    let reader = site.reader();
    let replayer = Replayer::new(&reader, engine().clone());
    std::thread::scope(|scope| {
        for part in ids.chunks(10) {
            let replayer = &replayer;
            scope.spawn(move || {
                for id in part {
                    assert_eq!(replayer.replay(*id).unwrap().result, ReplayResult::Match);
                }
            });
        }
    });
}

fn said(outcome: Outcome) -> PolicyRun {
    let finding =
        Finding { outcome, code: "guest.hostile.allow".into(), message: "allowed".into(), at: None, requirement: None };
    let said = Said::Answer(Answer { verdict: Verdict::Findings(vec![finding]), obligations: Vec::new() });
    PolicyRun { said, fuel: 1, duration_us: 1, history: Vec::new() }
}

fn allowed() -> PolicyRun {
    said(Outcome::Allow)
}

/// What the set's one policy really comes to, with its fuel.
fn real(site: &Site, duration_us: u64) -> PolicyRun {
    let set = PolicySet::open(&site.path().join("set"), engine()).unwrap();
    let decision = set.decide(&request("payment-api"), &DecideOptions::default(), &HistorySource::None);
    let fuel = decision.policies().next().unwrap().fuel;
    PolicyRun { fuel, duration_us, ..allowed() }
}

/// Records a decision that a policy of the site's set never made, or made elsewhere.
fn forged(site: &Site, ledger: &Arc<Ledger>, change: impl FnOnce(&mut PinnedSet), run: PolicyRun) -> Uuid {
    let set = PolicySet::open(&site.path().join("set"), engine()).unwrap();
    let mut pinned = PinnedSet::clone(set.pinned());
    change(&mut pinned);
    let request: Request = request("payment-api");
    let call = Call { id: Uuid::now_v7(), ..Call::default() };
    let decision: Decision = decide_by(select(&Arc::new(pinned), &request), call, vec![Some(run)]);
    let (one, two) = (Salt::new([1; 32]), Salt::new([2; 32]));
    let recording = Recording {
        time: Time::new(portcullis::now()).unwrap(),
        request_salt: &one,
        decision_salt: &two,
        idempotency: None,
        data: &Default::default(),
        duration_us: 1,
    };
    let recorded = record(&decision, &recording).unwrap();
    let entry = Entry {
        request: Some(Payload { salt: one, bytes: request.bytes().to_vec() }),
        decision: Some(Payload { salt: two, bytes: recorded.decision.clone() }),
        ..Entry::new(&recorded.event).unwrap()
    };
    ledger.append(entry).unwrap();
    decision.id()
}
