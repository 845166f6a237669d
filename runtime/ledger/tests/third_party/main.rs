//! What this crate writes, checked by programs that this project did not write: see `tools/check-third-party.sh`.
//!
//! The samples are written here, with the crate's public interface alone; the script fetches the other programs. Where
//! one of them cannot be had, it says SKIPPED on the standard error, past the test harness's capture. With
//! `PORTCULLIS_THIRD_PARTY=required`, that is a failure; with `off`, nothing is fetched.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use portcullis_gate::{
    Answer, Call, Decision, EngineIdentity, Finding, Outcome, PinnedSet, PolicyPin, PolicyRun, PolicySpec, Request,
    Said, SetDefinition, SetParts, Verdict, decide, select,
};
use portcullis_ledger::*;
use serde_json::json;
use uuid::Uuid;

const ORIGIN: &str = "gate.example.com/log";
const SIZE: u64 = 600;
const DECISIONS: [(u64, Outcome); 2] = [(123, Outcome::Warn), (456, Outcome::Deny)];

#[test]
fn other_programs_agree() {
    let say = |text: &str| std::io::stderr().write_all(text.as_bytes()).unwrap();
    let mode = std::env::var("PORTCULLIS_THIRD_PARTY").unwrap_or_default();
    if mode == "off" {
        say("SKIPPED: the third-party checks of the ledger's formats (PORTCULLIS_THIRD_PARTY=off)\n");
        return;
    }
    let samples = Path::new(env!("CARGO_TARGET_TMPDIR")).join("third-party-samples");
    _ = std::fs::remove_dir_all(&samples);
    Log::new().write(&samples);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tools/check-third-party.sh");
    let output = Command::new("bash").arg(script).arg(&samples).output().unwrap();
    let text = [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat();
    say(&text);
    assert!(output.status.success(), "{text}");
    let skipped = text.contains("SKIPPED");
    assert!(!skipped || mode != "required", "a check was skipped:\n{text}");
    // What passed says so by name: an empty script would pass nothing.
    for name in ["pymerkle", "securesystemslib", "sigstore", "sumdb"] {
        assert!(text.contains(&format!("ok {name}")) || text.contains(&format!("SKIPPED {name}")), "{name}:\n{text}");
    }
}

struct Log {
    key: SigningKey,
    leaves: Vec<Vec<u8>>,
    decisions: HashMap<u64, Vec<u8>>,
    nodes: HashMap<(u8, u64), Sha256>,
    roots: Vec<Sha256>,
}

impl Log {
    fn new() -> Log {
        let mut log = Log {
            key: SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap(),
            leaves: Vec::new(),
            decisions: HashMap::new(),
            nodes: HashMap::new(),
            roots: vec![Edge::new().root()],
        };
        let mut edge = Edge::new();
        for index in 0..SIZE {
            let outcome = DECISIONS.iter().find(|(at, _)| *at == index).map_or(Outcome::Allow, |(_, outcome)| *outcome);
            let recorded = recorded(index, outcome);
            let leaf = recorded.event.encode().unwrap();
            edge.push(leaf_hash(&leaf), |level, index, hash| _ = log.nodes.insert((level, index), hash));
            log.roots.push(edge.root());
            log.decisions.insert(index, recorded.decision);
            log.leaves.push(leaf);
        }
        log
    }

    fn node(&self, level: u8, index: u64) -> Result<Sha256, String> {
        self.nodes.get(&(level, index)).copied().ok_or_else(|| format!("no node {level}/{index}"))
    }

    fn inclusion(&self, index: u64, size: u64) -> Vec<Sha256> {
        inclusion_proof(index, size, |level, index| self.node(level, index)).unwrap()
    }

    fn checkpoint(&self, size: u64) -> String {
        Checkpoint::new(ORIGIN, size, self.roots[size as usize]).unwrap().sign(&self.key).unwrap()
    }

    fn write(&self, folder: &Path) {
        let put = |path: &str, bytes: &[u8]| {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap())?;
            std::fs::write(path, bytes)
        };
        let export = folder.join("export");
        let in_export = |path: &str| -> PathBuf { export.join(path) };
        write_export(
            &self.checkpoint(SIZE),
            self.key.verifier(),
            |index| Ok::<_, std::io::Error>(self.leaves[index as usize].clone()),
            |path, bytes| put(&format!("export/{path}"), bytes),
        )
        .unwrap();
        // What was written to files is what this crate verifies, before anyone else does.
        verify_export(
            self.key.verifier(),
            |path| std::fs::read(in_export(path)),
            |index, bytes| {
                assert_eq!(bytes, self.leaves[index as usize]);
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
                let proof = consistency_proof(*old, *new, |level, index| self.node(level, index)).unwrap();
                json!({ "old": old, "new": new, "proof": proof })
            })
        });
        let proofs = json!({
            "roots": self.roots,
            "inclusion": inclusion.collect::<Vec<_>>(),
            "consistency": consistency.collect::<Vec<_>>(),
        });
        put("proofs.json", proofs.to_string().as_bytes()).unwrap();
        put("log.vkey", format!("{}\n", self.key.verifier()).as_bytes()).unwrap();
        for (index, outcome) in DECISIONS {
            let evidence = Evidence {
                index,
                leaf: self.leaves[index as usize].clone(),
                proof: self.inclusion(index, SIZE),
                checkpoint: self.checkpoint(SIZE),
            };
            let receipt = Receipt::issue(&self.decisions[&index], &decision_salt(index), &evidence, &self.key).unwrap();
            put(&format!("receipts/{outcome}.json"), &receipt.to_bytes().unwrap()).unwrap();
            put(&format!("envelopes/{outcome}-decision.json"), &receipt.decision_envelope().unwrap()).unwrap();
            put(&format!("envelopes/{outcome}-summary.json"), &receipt.summary_envelope().unwrap()).unwrap();
        }
    }
}

fn decision_salt(index: u64) -> Salt {
    Salt::new(*Sha256::of(&index.to_be_bytes()).as_bytes())
}

fn recorded(index: u64, outcome: Outcome) -> Recorded {
    let recording = Recording {
        time: Time::new("2026-03-14T09:30:01Z".parse().unwrap()).unwrap(),
        request_salt: &Salt::new([1; 32]),
        decision_salt: &decision_salt(index),
        idempotency: None,
        data: &BTreeMap::new(),
        duration_us: index,
    };
    record(&decision(index, outcome), &recording).unwrap()
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
    let run = PolicyRun { said: Said::Answer(answer), fuel: 10, duration_us: 3 };
    let id = Uuid::from_u128(0x019c_0000_0000_7000_8000_0000_0000_0000 + u128::from(index));
    let call = Call { id, correlation_id: None, supersedes: None };
    decide(select(&Arc::new(set), &request), call, vec![Some(run)])
}
