//! A whole policy set with policies that read the ledger's history: decided, recorded, replayed.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use portcullis::{DecideOptions, Decision, History, HistorySource, Outcome, PastDecision, PolicySet};
use portcullis_tests::find;
use serde_json::Value;

use super::meet::{engine, history, request};

/// Two policies that ask, and one that does not.
const MANIFEST: &str = r#"
portcullis = 1
name = "history"

[[policy]]
name = "one"
module = "one.wasm"

[[policy]]
name = "honest"
module = "honest.wasm"

[[policy]]
name = "two"
module = "two.wasm"
"#;

fn set(folder: &Path) -> PolicySet {
    for (file, guest) in [("one", "28-history"), ("honest", "00-allow"), ("two", "28-history-as-often-as-may-be")] {
        fs::write(folder.join(file).with_extension("wasm"), find(guest).bytes).unwrap();
    }
    fs::write(folder.join("portcullis.toml"), MANIFEST).unwrap();
    let locked = PolicySet::lock(folder, engine()).unwrap();
    assert!(locked.not_loaded.is_empty(), "{:?}", locked.not_loaded);
    fs::write(folder.join("portcullis.lock"), locked.lock.render()).unwrap();
    PolicySet::open(folder, engine()).unwrap()
}

fn decide(set: &PolicySet, history: &HistorySource) -> Decision {
    set.decide(&request(), &DecideOptions::default(), history)
}

#[test]
fn a_set_without_a_history_denies() {
    let folder = tempfile::tempdir().unwrap();
    let decision = decide(&set(folder.path()), &HistorySource::None);
    assert_eq!((decision.outcome(), decision.evaluated().faulted), (Outcome::Deny, 2));
    let codes: Vec<String> = decision.findings().map(|finding| finding.code.into_owned()).collect();
    assert_eq!(codes, ["fault.history", "fault.history", "guest.hostile.allow"]);
}

#[test]
fn a_decision_with_its_history_is_replayed_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let set = set(folder.path());
    let ledger = history(&find("28-history")).unwrap();
    let decision = decide(&set, &ledger.into());
    assert_eq!(decision.outcome(), Outcome::Allow);
    let shown = serde_json::to_value(&decision).unwrap();
    assert_eq!(shown["policies"][0]["history"][0]["answer"]["count"], 2);
    assert_eq!(shown["policies"][1].get("history"), None);
    assert_eq!(shown["policies"][2]["history"].as_array().map(Vec::len), Some(32));

    let replayed = decide(&set, &HistorySource::recorded(&decision.view()));
    assert_eq!(replayed.replay_bytes().unwrap(), decision.replay_bytes().unwrap());
    // From the decision as it was written.
    let calls = |policy: &Value| {
        let calls = policy.get("history").cloned().unwrap_or_else(|| Value::Array(Vec::new()));
        (policy["name"].as_str().unwrap().to_owned(), serde_json::from_value(calls).unwrap())
    };
    let written = shown["policies"].as_array().unwrap().iter().map(calls).collect();
    let replayed = decide(&set, &HistorySource::Recorded(written));
    assert_eq!(replayed.replay_bytes().unwrap(), decision.replay_bytes().unwrap());

    // A decision without a history is replayed as well, and its fault is the same to the byte.
    let denied = decide(&set, &HistorySource::None);
    let replayed = decide(&set, &HistorySource::recorded(&denied.view()));
    assert_eq!(replayed.replay_bytes().unwrap(), denied.replay_bytes().unwrap());
    assert_ne!(denied.replay_bytes().unwrap(), decision.replay_bytes().unwrap());

    // Another ledger, another decision; a record of other policies is no history.
    let empty: Arc<dyn History> = Arc::new(Vec::<PastDecision>::new());
    assert_eq!(decide(&set, &empty.into()).outcome(), Outcome::Deny);
    let nobody = HistorySource::Recorded(std::collections::BTreeMap::new());
    assert_eq!(decide(&set, &nobody).evaluated().faulted, 2);
}
