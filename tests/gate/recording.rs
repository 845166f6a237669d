//! Recorded before it is answered; permission from what is recorded and proceeds, and from nothing else.

use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis::{
    DecideError, DecideOptions, DecisionView, Gate, LEDGER_UNAVAILABLE, Outcome, Place, PolicySet, Recorded, Sha256,
    Stopped, Stored,
};
use portcullis_ledger::store::Idempotency;
use uuid::Uuid;

use super::site::{Site, act, codes, decide, engine, guest, request, request_at, says, size};

#[test]
fn the_decision_is_in_the_file_when_the_answer_is_there() {
    let (site, gate) = Site::with(&says(Outcome::Warn));
    let reader = site.reader();
    for n in 0..20 {
        let recorded = decide(&gate, &format!("service-{n}"));
        let Place::Ledger { index } = *recorded.place() else { panic!("{:?}", recorded.place()) };
        let stored = Stored::read(&reader, recorded.id()).unwrap();
        assert_eq!((stored.index, index), (n + 1, n + 1), "after the event of the set");
        assert_eq!(stored.decision.as_deref(), Some(recorded.json()));
        assert_eq!(stored.request.as_deref(), Some(recorded.request().bytes()));
    }
}

#[test]
fn permission_comes_from_allow_and_warn_alone() {
    let site = Site::new();
    let gate = site.gate(site.set("first", "", &says(Outcome::Deny)));
    for outcome in Outcome::ALL {
        gate.activate(site.set(outcome.as_str(), "", &says(outcome))).unwrap();
        let recorded = decide(&gate, "payment-api");
        assert_eq!(recorded.outcome(), outcome);
        assert_eq!(recorded.permission().is_some(), matches!(outcome, Outcome::Allow | Outcome::Warn), "{outcome}");
        if let Some(permission) = recorded.permission() {
            assert_eq!(permission.recorded().id(), recorded.id());
            assert!(permission.valid_until() > portcullis::now());
            act(permission);
        }
    }
}

#[test]
fn a_rehearsal_gives_no_permission_and_records_nothing() {
    let site = Site::new();
    let gate = Gate::dry_run(site.set("set", "", &says(Outcome::Allow)), 8);
    let recorded = decide(&gate, "payment-api");
    assert_eq!((recorded.outcome(), recorded.place()), (Outcome::Allow, &Place::DryRun));
    assert!(recorded.permission().is_none());
    assert!(gate.ledger().is_none());
    assert_eq!(std::fs::read_dir(site.ledger_folder()).unwrap().count(), 0);
    let ran = gate.guard(request("payment-api"), &DecideOptions::default(), act);
    assert!(matches!(ran, Err(Stopped::Decided(recorded)) if recorded.outcome() == Outcome::Allow));
}

/// A decision holds for a time, and not for ever: whoever asks for it again under its key gets it, and no permission.
#[test]
fn a_decision_that_no_longer_holds_gives_no_permission() {
    let site = Site::new();
    let gate = site.gate(site.set("set", "valid-for-seconds = 1", &says(Outcome::Allow)));
    let options = DecideOptions { idempotency_key: Some("key".into()), ..DecideOptions::default() };
    let first = gate.decide(request("payment-api"), &options).unwrap();
    assert!(first.permission().is_some());
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert!(first.permission().is_none());
    let again = gate.decide(request("payment-api"), &options).unwrap();
    assert_eq!((again.id(), again.outcome()), (first.id(), Outcome::Allow));
    assert!(again.permission().is_none());
}

#[test]
fn the_same_key_and_request_get_the_same_decision_and_another_request_a_conflict() {
    let site = Site::new();
    let set = || PolicySet::open(&site.path().join("set"), engine()).unwrap();
    site.write_set("set", "", &says(Outcome::Allow));
    let key = |key: &str| DecideOptions { idempotency_key: Some(key.into()), ..DecideOptions::default() };

    let gate = site.gate(set());
    let first = gate.decide(request("payment-api"), &key("one")).unwrap();
    let Place::Ledger { index } = *first.place() else { panic!("{:?}", first.place()) };
    let events = size(&gate);
    let same = |gate: &Gate| {
        let again = gate.decide(request("payment-api"), &key("one")).unwrap();
        assert_eq!(again.place(), &Place::Repeated { index });
        assert_eq!((again.id(), again.json()), (first.id(), first.json()));
        assert_eq!(again.tries(), 0, "nothing is evaluated for an answer that is there");
        assert!(again.permission().is_some());
        let other = gate.decide(request("billing"), &key("one"));
        assert!(matches!(other, Err(DecideError::Conflict { index: at }) if at == index), "{other:?}");
        assert_eq!(size(gate), events);
    };
    same(&gate);
    drop(gate);
    let gate = site.gate(set());
    same(&gate);
    // Without a key, and under another one, it is another decision.
    for options in [DecideOptions::default(), key("two")] {
        assert_ne!(gate.decide(request("payment-api"), &options).unwrap().id(), first.id());
    }
    assert!(!site.ledger_holds(b"idempotency-key-in-plain"));
    gate.decide(request("payment-api"), &key("idempotency-key-in-plain")).unwrap();
    drop(gate);
    assert!(!site.ledger_holds(b"idempotency-key-in-plain"), "the ledger holds a keyed digest, never the key");
}

/// The caller's mistake is told as such, before a policy runs; it is no deny of a ledger that cannot write.
#[test]
fn what_is_too_long_to_be_recorded_is_refused_before_it_is_decided() {
    let (_site, gate) = Site::with(&says(Outcome::Allow));
    let events = size(&gate);
    let long = |bytes: usize| Some("é".repeat(bytes / 2));
    for (correlation_id, idempotency_key, expected) in
        [(long(258), None, "correlation id"), (None, long(258), "idempotency key")]
    {
        let options = DecideOptions { correlation_id, idempotency_key, ..DecideOptions::default() };
        let error = gate.decide(request("payment-api"), &options).unwrap_err();
        assert_eq!(error.code(), "portcullis.too-long");
        assert_eq!(error.to_string(), format!("the {expected} has 258 bytes, at most 256 are recorded"));
    }
    let error = gate.decide(request(&"r".repeat(1025)), &DecideOptions::default()).unwrap_err();
    assert!(matches!(error, DecideError::TooLong { what: "resource's id", bytes: 1025, limit: 1024 }), "{error}");
    assert_eq!(size(&gate), events);
    let most = DecideOptions { correlation_id: long(256), idempotency_key: long(256), ..DecideOptions::default() };
    assert!(gate.decide(request(&"r".repeat(1024)), &most).unwrap().permission().is_some());
}

/// Whoever changes what is stored of a deny does not get permission by asking again.
#[test]
fn a_stored_decision_that_was_changed_is_no_answer() {
    let site = Site::new();
    let gate = site.gate(site.set("set", "", &says(Outcome::Deny)));
    let options = DecideOptions { idempotency_key: Some("one".into()), ..DecideOptions::default() };
    assert_eq!(gate.decide(request("payment-api"), &options).unwrap().outcome(), Outcome::Deny);
    let until = "2100-01-01T00:00:00.000Z";
    let sql = format!(
        "UPDATE payloads SET bytes = CAST(replace(replace(bytes, '\"outcome\":\"deny\"', '\"outcome\":\"allow\"'), \
         '\"proceed\":false', '\"proceed\":true,\"valid_until\":\"{until}\"') AS BLOB)"
    );
    assert!(rusqlite::Connection::open(site.ledger_file()).unwrap().execute(&sql, []).unwrap() > 0);
    let again = gate.decide(request("payment-api"), &options).unwrap();
    assert!(again.permission().is_none());
    assert_eq!((again.outcome(), codes(&again)[0].as_str()), (Outcome::Deny, LEDGER_UNAVAILABLE));
    let Place::Nowhere { reason } = again.place() else { panic!("{:?}", again.place()) };
    assert!(reason.contains("does not commit"), "{reason}");
}

/// The index of idempotency keys is not signed: whoever points one at another event does not get that event's permission.
#[test]
fn a_key_that_points_at_another_decision_is_no_answer() {
    let site = Site::new();
    let gate = site.gate(site.set("first", "", &says(Outcome::Allow)));
    let key = |key: &str| DecideOptions { idempotency_key: Some(key.into()), ..DecideOptions::default() };
    let index_of = |recorded: &Recorded| match recorded.place() {
        Place::Ledger { index } => i64::try_from(*index).unwrap(),
        other => panic!("{other:?}"),
    };
    let allowed = index_of(&gate.decide(request("payment-api"), &key("allowed")).unwrap());
    gate.activate(site.set("second", "", &says(Outcome::Deny))).unwrap();
    let denied = index_of(&gate.decide(request("billing"), &key("denied")).unwrap());
    let file = rusqlite::Connection::open(site.ledger_file()).unwrap();
    let refused = |key: &DecideOptions, says: &str| {
        let again = gate.decide(request("billing"), key).unwrap();
        assert!(again.permission().is_none());
        assert_eq!((again.outcome(), codes(&again)[0].as_str()), (Outcome::Deny, LEDGER_UNAVAILABLE));
        let Place::Nowhere { reason } = again.place() else { panic!("{:?}", again.place()) };
        assert!(reason.contains(says), "{reason}");
    };
    // The allowed request's key, as if it had been used for the denied request.
    let stored: Vec<u8> =
        file.query_row("SELECT key FROM idempotency WHERE no = ?1", [allowed], |row| row.get(0)).unwrap();
    let stored = Sha256::from_bytes(stored.try_into().unwrap());
    let forged = Idempotency::new(stored, request("billing").bytes());
    let sql = "UPDATE idempotency SET request = ?1 WHERE no = ?2";
    assert_eq!(file.execute(sql, rusqlite::params![forged.request.as_bytes(), allowed]).unwrap(), 1);
    refused(&key("allowed"), "decided another request");
    // The denied request's key, as if it had been used for the allowed event.
    file.execute("DELETE FROM idempotency WHERE no = ?1", [allowed]).unwrap();
    assert_eq!(file.execute("UPDATE idempotency SET no = ?1 WHERE no = ?2", [allowed, denied]).unwrap(), 1);
    refused(&key("denied"), "not made under this idempotency key");
}

#[test]
fn many_at_once_under_one_key_get_one_decision() {
    let (_site, gate) = Site::with(&says(Outcome::Allow));
    let options = DecideOptions { idempotency_key: Some("one".into()), ..DecideOptions::default() };
    let ids: Vec<Uuid> = std::thread::scope(|scope| {
        let one = || gate.decide(request("payment-api"), &options).unwrap().id();
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(size(&gate), 2);
}

#[test]
fn guard_acts_once_or_never() {
    let site = Site::new();
    let gate = site.gate(site.set("first", "", &says(Outcome::Deny)));
    for outcome in Outcome::ALL {
        gate.activate(site.set(outcome.as_str(), "", &says(outcome))).unwrap();
        let acted = AtomicUsize::new(0);
        let result = gate.guard(request("payment-api"), &DecideOptions::default(), |permission| {
            acted.fetch_add(1, Ordering::Relaxed);
            permission.recorded().id()
        });
        match (outcome, result) {
            (Outcome::Allow | Outcome::Warn, Ok(id)) => {
                assert!(site.reader().find(id).unwrap().is_some());
                assert_eq!(acted.into_inner(), 1, "{outcome}");
            }
            (_, Err(Stopped::Decided(recorded))) => {
                assert_eq!((recorded.outcome(), acted.into_inner()), (outcome, 0));
            }
            (_, result) => panic!("{outcome}: {result:?}"),
        }
    }
}

#[test]
fn the_callers_ids_are_recorded() {
    let (site, gate) = Site::with(&says(Outcome::Allow));
    let before = decide(&gate, "payment-api");
    let options = DecideOptions {
        correlation_id: Some("CHG-7".into()),
        supersedes: Some(before.id()),
        ..DecideOptions::default()
    };
    let recorded = gate.decide(request("payment-api"), &options).unwrap();
    let stored = Stored::read(&site.reader(), recorded.id()).unwrap();
    let json = stored.decision.clone().unwrap();
    let view = DecisionView::parse(&json).unwrap();
    assert_eq!((view.correlation_id.as_deref(), view.supersedes), (Some("CHG-7"), Some(before.id())));
    let event = serde_json::to_value(stored.body().unwrap()).unwrap();
    assert_eq!(event["correlation_id"], "CHG-7");
    assert_eq!(event["supersedes"], before.id().to_string());
}

/// A caller whose clock is wrong is decided at the time that it says; the record says both.
#[test]
fn the_time_of_the_request_is_the_present_that_policies_see() {
    let (site, gate) = Site::with(&[guest("yes", "00-allow", "")]);
    let then = "2026-03-14T09:30:00Z".parse().unwrap();
    let recorded = gate.decide(request_at("payment-api", then), &DecideOptions::default()).unwrap();
    assert_eq!(recorded.view().unwrap().now, "2026-03-14T09:30:00.000Z");
    let stored = Stored::read(&site.reader(), recorded.id()).unwrap();
    assert!(stored.event.time.timestamp() > then);
    assert!(recorded.permission().is_none(), "it held until 09:35 on that day");
}
