//! Entries as a gate would write them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_gate::Outcome;
use portcullis_ledger::store::{Blob, Entry, Idempotency, Payload};
use portcullis_ledger::{
    Body, Commitment, DecisionBody, Engine, ErasedPart, ErasureReason, Event, LeftOut, Named, PolicyFiles,
    PolicySetActivated, RequestErased, Resource, Salt, Sha256, Time,
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

/// The `n`th decision: one action of 3, one resource of 5, one outcome of 6.
pub fn decision(n: u64) -> Entry {
    let request = format!(
        r#"{{"subject":{{"type":"user","id":"user-{n}"}},"action":{{"name":"action-{}"}},"n":{n},"pad":"{}"}}"#,
        n % 3,
        "r".repeat(300)
    );
    let json = format!(r#"{{"id":"{}","findings":[],"pad":"{}"}}"#, id(n), "d".repeat(700));
    let (request_salt, decision_salt) = (salt(n, 0), salt(n, 1));
    let outcome = Outcome::ALL[usize::try_from(n % 6).unwrap()];
    let digest = Sha256::of(b"set");
    let body = DecisionBody {
        outcome,
        proceed: outcome.proceeds(),
        degraded: false,
        codes: vec!["sample.rule.code".to_owned()],
        action: format!("action-{}", n % 3),
        resource: Resource { kind: "service".to_owned(), id: format!("service-{}", n % 5) },
        now: Time::new(moment(n)).unwrap(),
        policy_set: Named { name: "set".to_owned(), sha256: digest },
        engine: Engine { version: "wasmtime 1".to_owned(), configuration_sha256: digest },
        policies: vec![PolicyFiles {
            name: "rule".to_owned(),
            module_sha256: Some(module().sha256()),
            settings_sha256: None,
            data: BTreeMap::new(),
        }],
        left_out: LeftOut::default(),
        request: Commitment::new(&request_salt, request.as_bytes()),
        decision: Commitment::new(&decision_salt, json.as_bytes()),
        correlation_id: None,
        idempotency: None,
        supersedes: None,
        valid_until: None,
        duration_us: 40,
    };
    let event = Event { id: id(n), time: Time::new(moment(n)).unwrap(), body: Body::Decision(Box::new(body)) };
    let mut entry = Entry::new(&event).unwrap();
    entry.request = Some(Payload { salt: request_salt, bytes: request.into_bytes() });
    entry.decision = Some(Payload { salt: decision_salt, bytes: json.into_bytes() });
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
