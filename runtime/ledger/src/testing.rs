//! What the unit tests build decisions, events and logs from.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_gate::*;
use serde_json::json;
use uuid::Uuid;

use crate::tree::testing::Tree;
use crate::*;

pub(crate) const ORIGIN: &str = "gate.example.com/log";

pub(crate) fn key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap()
}

pub(crate) fn time(text: &str) -> Time {
    Time::new(text.parse().unwrap()).unwrap()
}

pub(crate) fn id(n: u8) -> Uuid {
    Uuid::from_bytes([1, 0x9c, 0, 0, 0, n, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, n])
}

pub(crate) fn request() -> Vec<u8> {
    let request = json!({
        "subject": { "type": "user", "id": "alice@example.com" },
        "action": { "name": "deploy" },
        "resource": { "type": "service", "id": "payments/api é" },
        "context": { "environment": "staging" },
    });
    request.to_string().into_bytes()
}

/// A decision of `count` policies that each say `outcome`; the last but one is not asked, the last one faults and is
/// advisory.
pub(crate) fn decision_of(outcome: Outcome, count: usize, request: &[u8]) -> Decision {
    let mut policies: Vec<_> = (0..count + 2).map(|n| PolicySpec::new(format!("p{n}"), format!("p{n}.wasm"))).collect();
    policies[count].when = When {
        fields: vec![Field {
            pointer: Pointer::new("/context/environment").unwrap(),
            any_of: vec![Pattern::text("production")],
        }],
    };
    policies[count + 1].enforce = Outcome::Warn;
    let pin = |policy: &PolicySpec| PolicyPin {
        module_sha256: Some(Sha256::of(policy.name.as_bytes())),
        settings_sha256: (policy.enforce == Outcome::Deny).then(|| Sha256::of(b"{}")),
    };
    let set = Arc::new(PinnedSet {
        pins: policies.iter().map(pin).collect(),
        sha256: Sha256::of(b"set"),
        engine: EngineIdentity { version: "test 1".into(), configuration_sha256: Sha256::of(b"engine") },
        definition: SetDefinition::new(SetParts::new("acme-deploys", policies)).unwrap(),
    });
    let says = |n: usize| {
        let findings = vec![Finding {
            outcome,
            code: format!("sample.test.code-{n}"),
            message: "deployed by alice@example.com".into(),
            at: None,
            requirement: None,
        }];
        let params = json!({ "share": 0.1, "big": u64::MAX, "whole": 2.0 });
        let obligations = vec![Obligation { kind: "notify".into(), params }];
        let answer = Answer { verdict: Verdict::Findings(findings), obligations };
        Some(PolicyRun { said: Said::Answer(answer), fuel: 10, duration_us: 3, history: Vec::new() })
    };
    let fault = Faulted { fault: Fault::Fuel, detail: "out of fuel".into() };
    let faulted = Some(PolicyRun { said: Said::Fault(fault), fuel: 20, duration_us: 5, history: Vec::new() });
    let runs = (0..count).map(says).chain([None, faulted]).collect();
    let request = Request::parse(request, "2026-03-14T09:30:00.123Z".parse().unwrap()).unwrap();
    let call = Call { id: id(1), correlation_id: Some("change-7".into()), supersedes: Some(id(2)) };
    decide(select(&set, &request), call, runs)
}

pub(crate) fn recorded(decision: &Decision) -> Recorded {
    let documents = BTreeMap::from([("calendar".to_owned(), Sha256::of(b"calendar"))]);
    let recording = Recording {
        time: time("2026-03-14T09:30:00.456Z"),
        request_salt: &Salt::new([1; 32]),
        decision_salt: &Salt::new([2; 32]),
        idempotency: Some(Sha256::of(b"key")),
        data: &BTreeMap::from([("p0".to_owned(), documents)]),
        duration_us: 1234,
    };
    record(decision, &recording).unwrap()
}

pub(crate) fn body(event: &mut Event) -> &mut DecisionBody {
    match &mut event.body {
        Body::Decision(body) => body,
        other => panic!("{other:?}"),
    }
}

/// One event of each type.
pub(crate) fn events() -> Vec<Event> {
    let files = PolicyFiles {
        name: "window".into(),
        module_sha256: Some(Sha256::of(b"module")),
        settings_sha256: None,
        data: BTreeMap::from([("calendar".into(), Sha256::of(b"calendar"))]),
    };
    let engine = Engine { version: "test 1".into(), configuration_sha256: Sha256::of(b"engine") };
    let event = |n, body| Event { id: id(n), time: time("2026-03-14T09:30:00.000Z"), body };
    vec![
        event(
            3,
            Body::PolicySetActivated(PolicySetActivated {
                name: "acme".into(),
                sha256: Sha256::of(b"set"),
                manifest_sha256: Sha256::of(b"manifest"),
                lock_sha256: Sha256::of(b"lock"),
                evidence_sha256: Some(Sha256::of(b"evidence")),
                policies: vec![files],
                policies_left_out: 0,
            }),
        ),
        recorded(&decision_of(Outcome::Warn, 1, &request())).event,
        event(
            4,
            Body::ReplayChecked(ReplayChecked {
                from: 0,
                to: 2,
                replayed: 3,
                identical: 1,
                others: vec![
                    ReplayedOther { decision: id(1), result: Some(ReplayResult::HostTimeLimit) },
                    ReplayedOther { decision: id(2), result: None },
                ],
                others_left_out: 0,
                engine,
                tool: "portcullis 1".into(),
            }),
        ),
        event(
            5,
            Body::RequestErased(RequestErased {
                decision: id(1),
                index: 1,
                parts: vec![ErasedPart::Request, ErasedPart::Decision],
                reason: ErasureReason::DataSubject,
                reference: Some("DSR-7".into()),
            }),
        ),
        event(
            6,
            Body::KeyRotated(Box::new(KeyRotated {
                previous: key().verifier().clone(),
                next: SigningKey::from_seed(ORIGIN, &[8; 32]).unwrap().verifier().clone(),
            })),
        ),
        event(
            7,
            Body::PolicyReviewed(PolicyReviewed {
                module_sha256: Sha256::of(b"module"),
                bundle_sha256: Sha256::of(b"bundle"),
                key_sha256: Sha256::of(b"key"),
            }),
        ),
    ]
}

/// The evidence that leaf `index` is in a log of these leaves.
pub(crate) fn evidence(leaves: &[Vec<u8>], index: u64) -> Evidence {
    let tree = Tree::of(leaves);
    let size = leaves.len() as u64;
    Evidence {
        index,
        leaf: leaves[index as usize].clone(),
        proof: inclusion_proof(index, size, |level, index| tree.node(level, index)).unwrap(),
        checkpoint: Checkpoint::new(ORIGIN, size, tree.edge.root()).unwrap().sign(&key()).unwrap(),
    }
}
