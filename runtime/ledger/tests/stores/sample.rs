//! Entries as a gate would write them.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use portcullis_gate::{
    Answer, Call, Decision, EngineIdentity, Finding, Outcome, PinnedSet, PolicyPin, PolicyRun, PolicySpec, Request,
    Said, SetDefinition, SetParts, Verdict, decide, select,
};
use portcullis_ledger::store::{Blob, Entry, Idempotency, Payload};
use portcullis_ledger::{
    Body, ErasedPart, ErasureReason, Event, PolicyFiles, PolicySetActivated, Recording, RequestErased, Salt, Sha256,
    Time, record,
};
use uuid::Uuid;

/// 2026-01-01T00:00:00Z.
pub const EPOCH_MS: i64 = 1_767_225_600_000;

pub fn moment(n: u64) -> Timestamp {
    Timestamp::from_millisecond(EPOCH_MS + i64::try_from(n).unwrap() * 1000).unwrap()
}

/// A different id for each `n`, in order.
pub fn id(n: u64) -> Uuid {
    let mut random = [0x5a; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    let ms = u64::try_from(EPOCH_MS).unwrap() + n;
    uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid()
}

fn salt(n: u64, role: u8) -> Salt {
    Salt::new(*Sha256::of(&[&n.to_be_bytes()[..], &[role]].concat()).as_bytes())
}

pub fn module() -> Blob {
    Blob::new(b"\0asm, or so".repeat(20))
}

static SMALL: LazyLock<Arc<PinnedSet>> = LazyLock::new(|| set_of(1));

/// A set of so many policies.
pub fn set_of(policies: usize) -> Arc<PinnedSet> {
    let specs: Vec<_> = (0..policies).map(|n| PolicySpec::new(format!("rule-{n}"), format!("rule-{n}.wasm"))).collect();
    let digest = Sha256::of(b"set");
    Arc::new(PinnedSet {
        pins: vec![PolicyPin { module_sha256: Some(module().sha256()), settings_sha256: None }; policies],
        sha256: digest,
        engine: EngineIdentity { version: "wasmtime 1".to_owned(), configuration_sha256: digest },
        definition: SetDefinition::new(SetParts::new("set", specs)).unwrap(),
    })
}

/// The `n`th decision: one action of 3, one resource of 5, one outcome of 6.
pub fn decision(n: u64) -> Entry {
    decision_on(n, &format!("action-{}", n % 3))
}

/// The `n`th decision, of another action.
pub fn decision_on(n: u64, action: &str) -> Entry {
    recorded(n, &decided(n, action, &SMALL, 250))
}

/// The `n`th decision, by another set, with a longer request.
pub fn decided(n: u64, action: &str, set: &Arc<PinnedSet>, pad: usize) -> Decision {
    decided_about(n, &format!("service-{}", n % 5), action, set, pad)
}

/// The same about another resource.
pub fn decided_about(n: u64, resource: &str, action: &str, set: &Arc<PinnedSet>, pad: usize) -> Decision {
    let request = serde_json::json!({
        "subject": { "type": "user", "id": format!("user-{n}") },
        "action": { "name": action },
        "resource": { "type": "service", "id": resource },
        "context": { "pad": "r".repeat(pad) },
    });
    let request = Request::parse(request.to_string().as_bytes(), moment(n)).unwrap();
    let outcome = Outcome::ALL[usize::try_from(n % 6).unwrap()];
    let says = |policy| {
        let finding = Finding {
            outcome,
            code: format!("sample.rule.code-{policy}"),
            message: "whoever asks is known, and the change was reviewed by others".into(),
            at: Some("/context/pad".into()),
            requirement: None,
        };
        let answer = Answer { verdict: Verdict::Findings(vec![finding]), obligations: Vec::new() };
        Some(PolicyRun { said: Said::Answer(answer), fuel: 1000 + n, duration_us: 3, history: Vec::new() })
    };
    let runs = (0..set.pins.len()).map(says).collect();
    decide(select(set, &request), Call { id: id(n), correlation_id: None, supersedes: None }, runs)
}

/// The entry of a decision, with the module that it names.
pub fn recorded(n: u64, decision: &Decision) -> Entry {
    let (request_salt, decision_salt) = (salt(n, 0), salt(n, 1));
    let recording = Recording {
        time: Time::new(moment(n)).unwrap(),
        request_salt: &request_salt,
        decision_salt: &decision_salt,
        idempotency: None,
        data: &BTreeMap::new(),
        duration_us: 40,
    };
    let recorded = record(decision, &recording).unwrap();
    let mut entry = Entry::of_recorded(&recorded);
    entry.request = Some(Payload { salt: request_salt, bytes: decision.request().bytes().to_vec() });
    entry.decision = Some(Payload { salt: decision_salt, bytes: recorded.decision });
    entry.blobs = vec![module()];
    entry
}

/// The `n`th decision, asked for under a key.
pub fn keyed(n: u64, key: &str) -> Entry {
    let entry = decision(n);
    let key = Sha256::of(key.as_bytes());
    let mut event = Event::decode(&entry.event.leaf).unwrap();
    if let Body::Decision(body) = &mut event.body {
        body.idempotency = Some(key);
    }
    let request = entry.request.clone().unwrap();
    Entry {
        idempotency: Some(Idempotency::new(key, &request.bytes)),
        request: entry.request,
        decision: entry.decision,
        blobs: entry.blobs,
        ..Entry::new(&event).unwrap()
    }
}

pub fn activation(n: u64) -> Entry {
    let manifest = Blob::new(b"portcullis = 1".to_vec());
    let lock = Blob::new(b"# lock".to_vec());
    let body = PolicySetActivated {
        name: "set".to_owned(),
        sha256: Sha256::of(b"set"),
        manifest_sha256: manifest.sha256(),
        lock_sha256: lock.sha256(),
        evidence_sha256: None,
        policies: vec![PolicyFiles {
            name: "rule".to_owned(),
            module_sha256: Some(module().sha256()),
            settings_sha256: None,
            data: BTreeMap::new(),
        }],
        policies_left_out: 0,
    };
    let event = Event { id: id(n), time: Time::new(moment(n)).unwrap(), body: Body::PolicySetActivated(body) };
    let mut entry = Entry::new(&event).unwrap();
    entry.blobs = vec![manifest, lock, module()];
    entry
}

pub fn erasure(n: u64, decision: Uuid, index: u64, parts: &[ErasedPart]) -> Entry {
    let reason = ErasureReason::DataSubject;
    let body = RequestErased { decision, index, parts: parts.to_vec(), reason, reference: None };
    let event = Event { id: id(n), time: Time::new(moment(n)).unwrap(), body: Body::RequestErased(body) };
    Entry::new(&event).unwrap()
}
