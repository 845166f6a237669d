//! What this crate writes, checked by programs that this project did not write: see `tools/check-third-party.sh`.
//!
//! The samples come from a ledger on disk, through the crate's public interface alone; the script fetches the other programs. Where
//! one of them cannot be had, its check is skipped, and `portcullis-skip` says what becomes of that. With
//! `PORTCULLIS_FETCH=off`, nothing is fetched.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use portcullis_gate::{
    Answer, Call, Decision, EngineIdentity, Finding, Outcome, PinnedSet, PolicyPin, PolicyRun, PolicySpec, Request,
    Said, SetDefinition, SetParts, Verdict, decide, select,
};
use portcullis_ledger::store::{Blob, Entry, Payload, StoredPayload};
use portcullis_ledger::*;
use serde_json::json;
use uuid::Uuid;

const ORIGIN: &str = "gate.example.com/log";
const SIZE: u64 = 600;
const DECISIONS: [(u64, Outcome); 2] = [(123, Outcome::Warn), (456, Outcome::Deny)];

#[test]
fn other_programs_agree() {
    let say = |text: &str| std::io::stderr().write_all(text.as_bytes()).unwrap();
    if std::env::var("PORTCULLIS_FETCH").is_ok_and(|mode| mode == "off") {
        return portcullis_skip::skip(
            "third-party",
            "the ledger's formats were not checked by other programs: PORTCULLIS_FETCH=off",
        );
    }
    let samples = Path::new(env!("CARGO_TARGET_TMPDIR")).join("third-party-samples");
    _ = std::fs::remove_dir_all(&samples);
    Log::new().write(&samples);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tools/check-third-party.sh");
    let output = Command::new("bash").arg(script).arg(&samples).output().unwrap();
    let text = [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat();
    say(&text);
    assert!(output.status.success(), "{text}");
    skipped(&text);
    // What passed says so by name: an empty script would pass nothing.
    for name in ["pymerkle", "securesystemslib", "sigstore", "sumdb"] {
        assert!(text.contains(&format!("ok {name}")) || text.contains(&format!("SKIPPED {name}")), "{name}:\n{text}");
    }
}

/// What the script says that it could not check: `SKIPPED NAME: WHY`.
fn skipped(text: &str) {
    let lines = text.lines().filter_map(|line| line.strip_prefix("SKIPPED ")?.split_once(": "));
    lines.for_each(|(name, why)| portcullis_skip::skip(name, why));
}

/// A ledger on disk with a decision in each leaf.
struct Log {
    _folder: tempfile::TempDir,
    ledger: Ledger,
    key: SigningKey,
}

impl Log {
    fn new() -> Log {
        let folder = tempfile::tempdir().unwrap();
        let options = LedgerOptions { origin: Some(ORIGIN.to_owned()), ..LedgerOptions::default() };
        let path = folder.path().join("ledger.db");
        let ledger = Ledger::open(&path, &options).unwrap();
        let blobs = [&b"module"[..], b"{}"].map(|bytes| Blob::new(bytes.to_vec()));
        for index in 0..SIZE {
            let outcome = DECISIONS.iter().find(|(at, _)| *at == index).map_or(Outcome::Allow, |(_, outcome)| *outcome);
            let decision = decision(index, outcome);
            let recorded = recorded(index, &decision);
            let mut entry = Entry::new(&recorded.event).unwrap();
            entry.blobs = blobs.to_vec();
            entry.request = Some(Payload { salt: request_salt(index), bytes: decision.request().bytes().to_vec() });
            entry.decision = Some(Payload { salt: decision_salt(index), bytes: recorded.decision });
            let appended = ledger.append(entry).unwrap();
            assert!(matches!(appended, Appended::Committed(commit) if commit.index == index), "{appended:?}");
        }
        let key = std::fs::read_to_string(folder.path().join("ledger.db.key")).unwrap();
        Log { _folder: folder, ledger, key: SigningKey::from_text(key.trim_end()).unwrap() }
    }

    fn leaf(&self, index: u64) -> Vec<u8> {
        let mut events = self.ledger.reader().unwrap().events(index..index + 1).unwrap();
        assert_eq!(events.len(), 1, "{index}");
        events.remove(0).1.leaf
    }

    fn roots(&self) -> Vec<Sha256> {
        let mut edge = Edge::new();
        let mut roots = vec![edge.root()];
        for index in 0..SIZE {
            edge.push(leaf_hash(&self.leaf(index)), |level, index, hash| {
                assert_eq!(self.ledger.reader().unwrap().node(level, index).unwrap(), hash);
            });
            roots.push(edge.root());
        }
        roots
    }

    fn inclusion(&self, index: u64, size: u64) -> Vec<Sha256> {
        self.ledger.reader().unwrap().prove_inclusion(index, size).unwrap()
    }

    fn write(&self, folder: &Path) {
        let put = |path: &str, bytes: &[u8]| {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap())?;
            std::fs::write(path, bytes)
        };
        let export = folder.join("export");
        let in_export = |path: &str| -> PathBuf { export.join(path) };
        let checkpoint = self.ledger.checkpoint_of(SIZE, Duration::from_secs(60)).unwrap();
        write_export(
            &checkpoint,
            self.ledger.verifier_key(),
            |index| Ok::<_, std::io::Error>(self.leaf(index)),
            |path, bytes| put(&format!("export/{path}"), bytes),
        )
        .unwrap();
        // What was written to files is what this crate verifies, before anyone else does.
        verify_export(
            self.key.verifier(),
            |path| std::fs::read(in_export(path)),
            |index, bytes| {
                assert_eq!(bytes, self.leaf(index));
                Ok(())
            },
        )
        .unwrap();

        let sizes = [1, 2, 3, 7, 8, 255, 256, 257, 511, 512, 599, SIZE];
        let inclusion = sizes.iter().flat_map(|size| {
            [0, 1, size / 2, size - 1]
                .into_iter()
                .filter(move |index| index < size)
                .map(move |index| json!({ "index": index, "size": size, "proof": self.inclusion(index, *size) }))
        });
        let consistency = sizes.iter().flat_map(|new| {
            sizes.iter().filter(move |old| *old <= new).map(move |old| {
                let proof = self.ledger.reader().unwrap().prove_consistency(*old, *new).unwrap();
                json!({ "old": old, "new": new, "proof": proof })
            })
        });
        let proofs = json!({
            "roots": self.roots(),
            "inclusion": inclusion.collect::<Vec<_>>(),
            "consistency": consistency.collect::<Vec<_>>(),
        });
        put("proofs.json", proofs.to_string().as_bytes()).unwrap();
        put("log.vkey", format!("{}\n", self.key.verifier()).as_bytes()).unwrap();
        for (index, outcome) in DECISIONS {
            let proof = self.inclusion(index, SIZE);
            let evidence = Evidence { index, leaf: self.leaf(index), proof, checkpoint: checkpoint.clone() };
            let stored = self.ledger.reader().unwrap().decision_of(id(index)).unwrap().unwrap();
            let StoredPayload::Present(Payload { salt, bytes }) = stored else { panic!("{stored:?}") };
            let receipt = Receipt::issue(&bytes, &salt, &evidence, &self.key).unwrap();
            put(&format!("receipts/{outcome}.json"), &receipt.to_bytes().unwrap()).unwrap();
            put(&format!("envelopes/{outcome}-decision.json"), &receipt.decision_envelope().unwrap()).unwrap();
            put(&format!("envelopes/{outcome}-summary.json"), &receipt.summary_envelope().unwrap()).unwrap();
        }
    }
}

fn decision_salt(index: u64) -> Salt {
    Salt::new(*Sha256::of(&index.to_be_bytes()).as_bytes())
}

fn request_salt(index: u64) -> Salt {
    Salt::new(*Sha256::of(&index.to_le_bytes()).as_bytes())
}

fn id(index: u64) -> Uuid {
    Uuid::from_u128(0x019c_0000_0000_7000_8000_0000_0000_0000 + u128::from(index))
}

fn recorded(index: u64, decision: &Decision) -> Recorded {
    let recording = Recording {
        time: Time::new("2026-03-14T09:30:01Z".parse().unwrap()).unwrap(),
        request_salt: &request_salt(index),
        decision_salt: &decision_salt(index),
        idempotency: None,
        data: &BTreeMap::new(),
        duration_us: index,
    };
    record(decision, &recording).unwrap()
}

fn decision(index: u64, outcome: Outcome) -> Decision {
    let set = PinnedSet {
        pins: vec![PolicyPin { module_sha256: Some(Sha256::of(b"module")), settings_sha256: Some(Sha256::of(b"{}")) }],
        sha256: Sha256::of(b"set"),
        engine: EngineIdentity { version: "test 1".into(), configuration_sha256: Sha256::of(b"engine") },
        definition: SetDefinition::new(SetParts::new("acme", vec![PolicySpec::new("window", "window.wasm")])).unwrap(),
    };
    let request = json!({
        "subject": { "type": "user", "id": "alice" },
        "action": { "name": "deploy" },
        "resource": { "type": "service", "id": format!("payments/{index}") },
    });
    let request = Request::parse(request.to_string().as_bytes(), "2026-03-14T09:30:00Z".parse().unwrap()).unwrap();
    let finding =
        Finding { outcome, code: "sample.window.said".into(), message: "é".into(), at: None, requirement: None };
    let answer = Answer { verdict: Verdict::Findings(vec![finding]), obligations: Vec::new() };
    let run = PolicyRun { said: Said::Answer(answer), fuel: 10, duration_us: 3, history: Vec::new() };
    let call = Call { id: id(index), correlation_id: None, supersedes: None };
    decide(select(&Arc::new(set), &request), call, vec![Some(run)])
}
