//! A ledger that cannot write any more: every decision is a deny, whatever the policies say, until it is opened anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portcullis::{DecideOptions, Gate, LEDGER_UNAVAILABLE, Outcome, Place, Stopped, StoreError};

use super::site::{Site, codes, decide, request, says, size};

#[test]
fn nothing_proceeds_once_the_ledger_has_stopped() {
    let site = Site::new();
    let ledger = site.ledger();
    let gate = Gate::new(site.set("set", "", &says(Outcome::Allow)), Arc::clone(&ledger), 64).unwrap();
    let before = decide(&gate, "payment-api");
    assert!(before.permission().is_some());
    let events = size(&gate);

    // Another program holds the database for longer than the ledger waits.
    let other = rusqlite::Connection::open(site.ledger_file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let stopped = decide(&gate, "payment-api");
    assert_eq!((stopped.outcome(), codes(&stopped)[0].as_str()), (Outcome::Deny, LEDGER_UNAVAILABLE));
    let Place::Nowhere { reason } = stopped.place() else { panic!("{:?}", stopped.place()) };
    assert!(reason.contains("stopped"), "{reason}");
    assert!(stopped.permission().is_none());
    let view = stopped.view().unwrap();
    assert!(!view.proceed && view.obligations.is_empty() && view.valid_until.is_none());
    // The reason is the operator's: whoever asked is told nothing of files.
    assert!(
        !String::from_utf8_lossy(stopped.json()).contains("database"),
        "{}",
        String::from_utf8_lossy(stopped.json())
    );

    // It stays so, although the database could be written again.
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    assert!(matches!(ledger.check(), Err(StoreError::Stopped { .. })));
    for n in 0..3 {
        let recorded = decide(&gate, &format!("service-{n}"));
        assert_eq!((recorded.outcome(), recorded.permission().is_some()), (Outcome::Deny, false));
    }
    let acted = AtomicBool::new(false);
    let result =
        gate.guard(request("payment-api"), &DecideOptions::default(), |_| acted.store(true, Ordering::Relaxed));
    assert!(matches!(result, Err(Stopped::Decided(_))) && !acted.into_inner());
    assert!(gate.activate(site.set("other", "", &says(Outcome::Warn))).is_err());
    assert_eq!(decide(&gate, "payment-api").view().unwrap().policy_set.name, "set");

    // Opened anew, what was acknowledged is there, and what was not is not.
    drop((gate, ledger));
    let gate = site.gate(site.set("set", "", &says(Outcome::Allow)));
    assert_eq!(size(&gate), events);
    assert!(site.reader().find(before.id()).unwrap().is_some());
    assert!(site.reader().find(stopped.id()).unwrap().is_none());
    assert!(decide(&gate, "payment-api").permission().is_some());
}

#[test]
fn without_one_of_its_parts_there_is_no_gate() {
    use portcullis::GateError;
    let open = |site: &Site| Gate::open(&site.path().join("set"), &site.ledger_file(), &super::site::options());
    let site = Site::new();
    assert!(matches!(open(&site), Err(GateError::Set(_))), "no set");
    let set = site.write_set("set", "", &says(Outcome::Allow));
    drop(open(&site).unwrap());

    let key = site.ledger_folder().join("decisions.ledger.key");
    let away = site.ledger_folder().join("away");
    std::fs::rename(&key, &away).unwrap();
    assert!(matches!(open(&site), Err(GateError::Ledger(_))), "no key");
    std::fs::rename(&away, &key).unwrap();

    let checkpoint = site.ledger_folder().join("decisions.ledger.checkpoint");
    let kept = std::fs::read(&checkpoint).unwrap();
    std::fs::remove_file(&checkpoint).unwrap();
    assert!(matches!(open(&site), Err(GateError::Ledger(_))), "no copy of the checkpoint");
    std::fs::write(&checkpoint, kept).unwrap();

    std::fs::write(set.join("yes.wasm"), b"another module").unwrap();
    assert!(matches!(open(&site), Err(GateError::Set(_))), "another module");
    std::fs::remove_file(set.join("portcullis.lock")).unwrap();
    assert!(matches!(open(&site), Err(GateError::Set(_))), "no lock");
    let set = site.write_set("set", "", &says(Outcome::Allow));
    assert!(set.is_dir());

    let gate = open(&site).unwrap();
    assert!(matches!(open(&site), Err(GateError::Ledger(StoreError::Locked { .. }))), "two on one ledger");
    assert!(decide(&gate, "payment-api").permission().is_some());
}
