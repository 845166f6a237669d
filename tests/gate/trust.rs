//! Sets that ask for signatures and reviews, as a platform embeds them: what is loaded, what is recorded of it, and what a
//! replay needs of it.

use std::fs;
use std::path::Path;

use portcullis::{
    Outcome, PolicySet, RecordedEvidence, ReplayResult, Replayer, SetError, Sha256, evidence_of, recorded_evidence,
    write_evidence,
};
use portcullis_attest::{Bundle, Kind, PrivateKey, Review, review_statement, signature_statement};

use super::site::{Site, decide, engine, guest};

const NOW: &str = "2026-03-14T09:30:00Z";

fn key(name: &str) -> PrivateKey {
    PrivateKey::from_seed(Sha256::of(name.as_bytes()).as_bytes()).unwrap()
}

fn head(more: &str) -> String {
    let key = |name: &str| {
        let pem = key(name).public().to_pem();
        format!("[keys.{name}]\npublic-key = \"\"\"\n{pem}\"\"\"\n{}", if name == "alice" { more } else { "" })
    };
    format!(
        "{}{}{}[[trust]]\nmodules = [\"yes.wasm\"]\nsigned-by = \"release\"\n\
         reviewed-by = {{ any = 1, of = [\"alice\", \"bob\"] }}\n",
        key("release"),
        key("alice"),
        key("bob")
    )
}

fn sign(module: &Path, by: &str) {
    let bytes = fs::read(module).unwrap();
    let statement = signature_statement("yes.wasm", Sha256::of(&bytes), bytes.len(), NOW.parse().unwrap());
    write_evidence(module, &Bundle::sign(statement, &key(by))).unwrap();
}

fn review(module: &Path, by: &str) {
    let inspection = serde_json::Value::Null;
    let review = Review { reviewer: by.to_uppercase(), reviewed_at: NOW.parse().unwrap(), note: None, inspection };
    let statement = review_statement("yes.wasm", Sha256::of(&fs::read(module).unwrap()), &review);
    write_evidence(module, &Bundle::sign(statement, &key(by))).unwrap();
}

/// A site whose set asks for a signature of release and a review; nothing else of `by` is there than what is given.
fn site(signed: &[&str], reviewed: &[&str], more: &str) -> (Site, Result<PolicySet, SetError>) {
    let site = Site::new();
    let folder = site.path().join("set");
    fs::create_dir(&folder).unwrap();
    let module = folder.join("yes.wasm");
    let policy = guest("yes", "00-allow", "");
    fs::write(&module, &policy.module).unwrap();
    signed.iter().for_each(|by| sign(&module, by));
    reviewed.iter().for_each(|by| review(&module, by));
    let manifest = format!(
        "portcullis = 1\nname = \"set\"\n[limits]\ntime-ms = 20_000\n\
         [[policy]]\nname = \"yes\"\nmodule = \"yes.wasm\"\n{}\n{}",
        policy.more,
        head(more)
    );
    fs::write(folder.join("portcullis.toml"), manifest).unwrap();
    let opened = PolicySet::lock(&folder, engine()).and_then(|locked| {
        fs::write(folder.join("portcullis.lock"), locked.lock.render()).unwrap();
        PolicySet::open(&folder, engine())
    });
    (site, opened)
}

fn activations(site: &Site) -> usize {
    site.reader().of_kind("policy-set.activated", u64::MAX, 100).unwrap().len()
}

/// Who gave what for the policy, in the order of the files.
fn given(recorded: &RecordedEvidence) -> Vec<(Kind, String)> {
    let policy = &recorded.policies["yes"];
    assert_eq!(policy.problems, [""; 0]);
    let mut given: Vec<_> = policy.evidence.iter().map(|(key, one)| (one.kind(), key.clone())).collect();
    given.sort();
    given
}

#[test]
fn a_set_that_lacks_evidence_gives_no_gate() {
    for (signed, reviewed, more) in [
        (&[][..], &["alice"][..], ""),
        (&["release"], &[], ""),
        (&["bob"], &["alice"], ""),
        (&["release", "alice"], &["alice"], ""),
        (&["release"], &["release"], ""),
        (&["release"], &["alice"], "not-after = 2026-01-01T00:00:00Z\n"),
    ] {
        let (_, opened) = site(signed, reviewed, more);
        let error = opened.expect_err(&format!("{signed:?} {reviewed:?}"));
        assert!(matches!(error, SetError::Untrusted { .. }), "{error}");
        assert!(error.to_string().starts_with("load.trust: "), "{error}");
    }
    let (_, opened) = site(&["release"], &["alice"], "not-after = 2999-01-01T00:00:00Z\n");
    assert!(opened.is_ok());
}

#[test]
fn what_a_set_was_loaded_with_is_recorded_and_a_replay_asks_for_nothing() {
    let (site, set) = site(&["release"], &["alice"], "");
    let gate = site.gate(set.unwrap());
    let recorded = decide(&gate, "payment-api");
    assert_eq!(recorded.outcome(), Outcome::Allow);
    let before = site.reader().size().unwrap();
    let set_sha256 = recorded.view().unwrap().policy_set.sha256;
    assert_eq!(activations(&site), 1);

    // The same set with the same evidence is not recorded again; with more evidence it is.
    let folder = site.path().join("set");
    let again = || PolicySet::open(&folder, engine()).unwrap();
    gate.activate(again()).unwrap();
    assert_eq!(activations(&site), 1);
    review(&folder.join("yes.wasm"), "bob");
    gate.activate(again()).unwrap();
    assert_eq!(activations(&site), 2);
    let later = decide(&gate, "payment-api");
    assert_eq!(later.view().unwrap().policy_set.sha256, set_sha256, "evidence does not change what is decided");
    drop(gate);

    let reader = site.reader();
    let of = |index: u64| given(&recorded_evidence(&reader, set_sha256, index).unwrap());
    let (release, alice, bob) = ((Kind::Signature, "release"), (Kind::Review, "alice"), (Kind::Review, "bob"));
    let named = |all: &[(Kind, &str)]| all.iter().map(|(kind, key)| (*kind, (*key).to_owned())).collect::<Vec<_>>();
    assert_eq!(of(before), named(&[release, alice]));
    assert_eq!(of(u64::MAX), named(&[release, alice, bob]));

    fs::remove_dir_all(&folder).unwrap();
    let replayer = Replayer::new(&reader, engine().clone());
    for id in [recorded.id(), later.id()] {
        assert_eq!(replayer.replay(id).unwrap().result, ReplayResult::Match);
    }
}

/// Everything else is as it was: the set is the one that was locked, and the bytes are those of the lock.
#[test]
fn evidence_that_is_taken_away_later_stops_the_next_start() {
    let (site, set) = site(&["release"], &["alice"], "");
    drop(set.unwrap());
    let folder = site.path().join("set");
    let module = folder.join("yes.wasm");
    let claimed = evidence_of(&module, Sha256::of(&fs::read(&module).unwrap())).unwrap();
    assert_eq!(claimed.len(), 2);
    for one in &claimed {
        let path = folder.join(&one.name);
        let text = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(matches!(PolicySet::open(&folder, engine()), Err(SetError::Untrusted { .. })), "{}", one.name);
        // Under the name of other bytes, a bundle is not even looked at.
        let renamed = folder.join("yes.wasm.0123456789abcdef.sigstore.json");
        fs::write(&renamed, &text).unwrap();
        assert!(PolicySet::open(&folder, engine()).is_err());
        fs::rename(&renamed, &path).unwrap();
        assert!(PolicySet::open(&folder, engine()).is_ok());
    }
}

#[test]
fn a_record_of_evidence_that_was_exchanged_is_found() {
    let (site, set) = site(&["release"], &["alice"], "");
    let gate = site.gate(set.unwrap());
    let set_sha256 = decide(&gate, "payment-api").view().unwrap().policy_set.sha256;
    drop(gate);
    let blob = |reader: &portcullis::Reader| {
        let (_, leaf) = reader.of_kind("policy-set.activated", u64::MAX, 1).unwrap().remove(0);
        let event: serde_json::Value = serde_json::from_slice(&leaf).unwrap();
        event["body"]["evidence_sha256"].as_str().unwrap().to_owned()
    };
    let digest = blob(&site.reader());
    let database = rusqlite::Connection::open(site.ledger_file()).unwrap();
    let bytes = Sha256::from_hex(&digest).unwrap();
    let changed = database.execute("DELETE FROM blobs WHERE sha256 = ?1", [bytes.as_bytes().to_vec()]).unwrap();
    assert_eq!(changed, 1);
    drop(database);
    let error = recorded_evidence(&site.reader(), set_sha256, u64::MAX).unwrap_err();
    assert!(error.contains("the evidence") && error.contains("is not in the ledger"), "{error}");
    let verified = portcullis_ledger::verify_file(&site.ledger_file(), &[], None).unwrap();
    let missing = verified.problems.iter().any(|problem| problem.at.contains(&digest));
    assert!(missing, "{:?}", verified.problems);
}
