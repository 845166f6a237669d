use serde_json::Value;

use super::*;
use crate::Time;
use crate::testing::{body, decision_of, events, evidence, id, key, recorded, request, time};
use crate::{MAX_LISTED, Recorded};

/// A log of a few events around that one.
fn log(event: &Event) -> (Vec<Vec<u8>>, u64) {
    let mut leaves: Vec<_> = events().iter().map(|event| event.encode().unwrap()).collect();
    leaves.insert(3, event.encode().unwrap());
    (leaves, 3)
}

fn salt() -> Salt {
    Salt::new([2; 32])
}

fn issue(Recorded { event, decision, .. }: &Recorded) -> Result<Receipt, VerifyError> {
    let (leaves, index) = log(event);
    Receipt::issue(decision, &salt(), &evidence(&leaves, index), &key())
}

fn receipt(outcome: Outcome) -> Receipt {
    issue(&recorded(&decision_of(outcome, 1, &request()))).unwrap()
}

fn payload(envelope: &Envelope) -> Value {
    serde_json::from_slice(dsse::open(envelope, key().verifier()).unwrap()).unwrap()
}

fn canonical(value: &Value) -> Vec<u8> {
    canonical::encode("test", value, Numbers::All, usize::MAX).unwrap()
}

#[test]
fn proves_a_decision() {
    for outcome in Outcome::ALL {
        let bytes = receipt(outcome).to_bytes().unwrap();
        let verified = Receipt::from_bytes(&bytes).unwrap().verify(key().verifier()).unwrap();
        // The policy that faults is advisory: an allow becomes a warning.
        let expected = outcome.max(Outcome::Warn);
        assert_eq!((verified.outcome(), verified.proceeds()), (expected, expected.proceeds()));
        assert_eq!((verified.index(), verified.checkpoint().size()), (3, 7));
        let decision: Value = serde_json::from_slice(verified.decision()).unwrap();
        assert_eq!(decision["outcome"], expected.as_str());
        assert_eq!(decision["proceed"], expected.proceeds());
    }
}

#[test]
fn only_what_proceeds_has_passed() {
    for outcome in Outcome::ALL {
        let summary = payload(&receipt(outcome).file.summary);
        let predicate = &summary["predicate"];
        let expected = outcome.max(Outcome::Warn);
        let (result, level) =
            if expected == Outcome::Warn { ("PASSED", "PORTCULLIS_WARN") } else { ("FAILED", "FAILED") };
        assert_eq!(predicate["verificationResult"], result);
        assert_eq!(predicate["verifiedLevels"], serde_json::json!([level]));
        assert_eq!(predicate["https://portcullis.dev/vsa/outcome"], expected.as_str());
        let until = predicate.get("https://portcullis.dev/vsa/valid-until");
        assert_eq!(until.is_some(), expected.proceeds());
    }
}

#[test]
fn the_statements_are_written_like_this() {
    let receipt = receipt(Outcome::Warn);
    let statement = payload(&receipt.file.decision);
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["predicateType"], "https://portcullis.dev/attestation/decision/v1");
    let subject = serde_json::json!([{ "name": "request", "digest": { "sha256": Sha256::of(&request()) } }]);
    assert_eq!(statement["subject"], subject);
    assert_eq!(statement["predicate"]["ledger"]["origin"], "gate.example.com/log");
    let decision = Sha256::of(dsse::open(&receipt.file.decision, key().verifier()).unwrap());
    let expected = serde_json::json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": "https://slsa.dev/verification_summary/v1",
        "predicate": {
            "verifier": { "id": "https://gate.example.com/log", "version": { "engine": "test 1" } },
            "timeVerified": "2026-03-14T09:30:00.123Z",
            "resourceUri": "portcullis:resource:service:payments%2Fapi%20%C3%A9",
            "policy": {
                "uri": "portcullis:policy-set:acme-deploys",
                "digest": { "sha256": Sha256::of(b"set") },
            },
            "inputAttestations": [
                { "uri": format!("portcullis:decision:{}", id(1)), "digest": { "sha256": decision } },
            ],
            "verificationResult": "PASSED",
            "verifiedLevels": ["PORTCULLIS_WARN"],
            "slsaVersion": "1.0",
            "https://portcullis.dev/vsa/outcome": "warn",
            "https://portcullis.dev/vsa/degraded": true,
            "https://portcullis.dev/vsa/ledger": { "origin": "gate.example.com/log", "index": 3 },
            "https://portcullis.dev/vsa/valid-until": "2026-03-14T09:35:00.123Z",
        },
    });
    assert_eq!(payload(&receipt.file.summary), expected);
}

#[test]
fn every_byte_counts() {
    let (key, bytes) = (key(), receipt(Outcome::Warn).to_bytes().unwrap());
    let verifies =
        |bytes: &[u8]| Receipt::from_bytes(bytes).is_ok_and(|receipt| receipt.verify(key.verifier()).is_ok());
    assert!(verifies(&bytes));
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 7);
        assert!(!verifies(&changed), "byte {at}");
        if at % 16 > 0 {
            continue;
        }
        changed.clone_from(&bytes);
        changed.insert(at, b' ');
        assert!(!verifies(&changed), "a space at byte {at}");
        changed.clone_from(&bytes);
        changed.remove(at);
        assert!(!verifies(&changed), "without byte {at}");
    }
}

#[test]
fn another_key_opens_nothing() {
    let receipt = receipt(Outcome::Warn);
    for (name, seed) in [("gate.example.com/log", 8), ("gate.example.com/other", 7)] {
        let other = SigningKey::from_seed(name, &[seed; 32]).unwrap();
        assert!(receipt.verify(other.verifier()).is_err());
    }
}

type Change = Box<dyn Fn(&mut Value)>;

/// Every way to change one thing in a JSON value: each scalar, each member gone, each array or object longer.
fn changes(value: &Value, at: &str, out: &mut Vec<(String, Change)>) {
    let mut push = |what: &str, change: Change| {
        let pointer = at.to_owned();
        out.push((format!("{at} {what}"), Box::new(move |root| change(root.pointer_mut(&pointer).unwrap()))));
    };
    match value {
        Value::Null => push("is 1", Box::new(|value| *value = 1.into())),
        Value::Bool(_) => push("is not", Box::new(|value| *value = (!value.as_bool().unwrap()).into())),
        Value::Number(_) => {
            push("is 7", Box::new(|value| *value = 7.into()));
            push("is 1", Box::new(|value| *value = 1.into()));
        }
        Value::String(_) => {
            push("is longer", Box::new(|value| *value = format!("{}x", value.as_str().unwrap()).into()));
            // Of the same shape where it can be: another digit, outcome or letter.
            push(
                "differs",
                Box::new(|value| {
                    let text = value.as_str().unwrap();
                    let other = match text {
                        "warn" => "allow".to_owned(),
                        _ => {
                            let mut chars: Vec<_> = text.chars().collect();
                            let first = chars.first_mut();
                            if let Some(first) = first {
                                *first = if *first == '0' { '1' } else { '0' };
                            }
                            chars.into_iter().collect()
                        }
                    };
                    *value = other.into();
                }),
            );
        }
        Value::Array(items) => {
            push(
                "is longer",
                Box::new(|value| {
                    let items = value.as_array_mut().unwrap();
                    items.push(items.first().cloned().unwrap_or_else(|| "x".into()));
                }),
            );
            if !items.is_empty() {
                push("is shorter", Box::new(|value| drop(value.as_array_mut().unwrap().remove(0))));
            }
            for (n, item) in items.iter().enumerate() {
                changes(item, &format!("{at}/{n}"), out);
            }
        }
        Value::Object(members) => {
            push("has another", Box::new(|value| drop(value.as_object_mut().unwrap().insert("x".into(), 1.into()))));
            for name in members.keys() {
                let gone = name.clone();
                push(
                    &format!("lacks {name}"),
                    Box::new(move |value| drop(value.as_object_mut().unwrap().remove(&gone))),
                );
            }
            for (name, member) in members {
                let escaped = name.replace('~', "~0").replace('/', "~1");
                changes(member, &format!("{at}/{escaped}"), out);
            }
        }
    }
}

/// Whoever holds the key signs one change, and makes the summary fit where there is one: what is left to find it are
/// the checks within.
#[test]
fn every_field_of_the_decision_statement_counts() {
    let key = key();
    let receipt = receipt(Outcome::Warn);
    let statement = payload(&receipt.file.decision);
    let mut all = Vec::new();
    changes(&statement, "", &mut all);
    assert!(all.len() > 200, "{}", all.len());
    for (what, change) in all {
        let mut changed = statement.clone();
        change(&mut changed);
        if changed == statement {
            continue;
        }
        let payload = canonical(&changed);
        let mut forged = receipt.clone();
        forged.file.summary = dsse::sign(refit(&receipt, &payload), &key);
        forged.file.decision = dsse::sign(payload, &key);
        let error = forged.verify(key.verifier()).expect_err(&what);
        assert!(
            !matches!(error, VerifyError::Mismatch { what: "the summary", .. }),
            "{what}: found by the summary only"
        );
    }
}

/// The summary of the receipt, for another decision statement.
fn refit(receipt: &Receipt, payload: &[u8]) -> Vec<u8> {
    let mut summary = self::payload(&receipt.file.summary);
    summary["predicate"]["inputAttestations"][0]["digest"]["sha256"] = Sha256::of(payload).to_string().into();
    canonical(&summary)
}

#[test]
fn every_field_of_the_summary_counts() {
    let key = key();
    let receipt = receipt(Outcome::Warn);
    let summary = payload(&receipt.file.summary);
    let mut all = Vec::new();
    changes(&summary, "", &mut all);
    assert!(all.len() > 50, "{}", all.len());
    for (what, change) in all {
        let mut changed = summary.clone();
        change(&mut changed);
        assert_ne!(changed, summary, "{what}");
        let mut forged = receipt.clone();
        forged.file.summary = dsse::sign(canonical(&changed), &key);
        let expected = VerifyError::Mismatch { what: "the summary", reference: "the decision" };
        assert_eq!(forged.verify(key.verifier()), Err(expected), "{what}");
    }
}

#[test]
fn envelopes_are_not_interchangeable() {
    let (warn, deny) = (receipt(Outcome::Warn), receipt(Outcome::Deny));
    let key = key();
    let swapped =
        File { decision: warn.file.summary.clone(), summary: warn.file.decision.clone(), ..warn.file.clone() };
    let mixed = File { summary: warn.file.summary.clone(), ..deny.file.clone() };
    let twice = File { summary: warn.file.decision.clone(), ..warn.file.clone() };
    for file in [swapped, mixed, twice] {
        assert!(Receipt { file }.verify(key.verifier()).is_err());
    }
}

type Lie = fn(&mut Event);

/// The log itself is wrong: its event is in the tree, commits to the decision, and says something else than it.
#[test]
fn an_event_that_says_something_else_than_its_decision_proves_nothing() {
    let changes: [(&str, Lie); 13] = [
        ("id", |event| event.id = id(9)),
        ("outcome", |event| body(event).outcome = Outcome::Allow),
        ("degraded", |event| body(event).degraded = false),
        ("codes", |event| body(event).codes.reverse()),
        ("codes", |event| body(event).left_out.codes = 1),
        ("policies", |event| body(event).policies[1].name = "p1".into()),
        ("policies", |event| body(event).policies[0].module_sha256 = None),
        ("policy_set", |event| body(event).policy_set.sha256 = Sha256::of(b"other")),
        ("engine", |event| body(event).engine.version = "test 2".into()),
        ("now", |event| body(event).now = time("2026-03-14T09:30:00.124Z")),
        ("correlation_id", |event| body(event).correlation_id = None),
        ("valid_until", |event| body(event).valid_until = Some(time("2027-03-14T09:30:00.000Z"))),
        ("supersedes", |event| body(event).supersedes = None),
    ];
    let original = recorded(&decision_of(Outcome::Warn, 1, &request()));
    assert!(issue(&original).is_ok());
    for (what, change) in changes {
        let mut recorded = original.clone();
        change(&mut recorded.event);
        assert_ne!(recorded, original, "{what}");
        assert_eq!(issue(&recorded), Err(VerifyError::Mismatch { what, reference: "the event" }));
    }
    // A stopped decision under an event that proceeds.
    let mut recorded = recorded(&decision_of(Outcome::Deny, 1, &request()));
    (body(&mut recorded.event).outcome, body(&mut recorded.event).proceed) = (Outcome::Allow, true);
    assert_eq!(issue(&recorded), Err(VerifyError::Mismatch { what: "outcome", reference: "the event" }));
}

/// A decision that contradicts itself, with an event that repeats half of it.
#[test]
fn a_decision_that_proceeds_by_word_only_proves_nothing() {
    let mut recorded = recorded(&decision_of(Outcome::Deny, 1, &request()));
    let mut decision: Value = serde_json::from_slice(&recorded.decision).unwrap();
    decision["proceed"] = true.into();
    recorded.decision = canonical(&decision);
    body(&mut recorded.event).decision = crate::Commitment::new(&salt(), &recorded.decision);
    assert_eq!(issue(&recorded), Err(VerifyError::Mismatch { what: "proceed", reference: "the event" }));
}

#[test]
fn nothing_false_is_issued() {
    let recorded = recorded(&decision_of(Outcome::Warn, 1, &request()));
    let (leaves, index) = log(&recorded.event);
    let good = evidence(&leaves, index);
    let issue = |decision: &[u8], salt: &Salt, evidence: Evidence| Receipt::issue(decision, salt, &evidence, &key());
    assert!(issue(&recorded.decision, &salt(), good.clone()).is_ok());
    let other = Salt::new([3; 32]);
    assert!(issue(&recorded.decision, &other, good.clone()).is_err());
    assert!(issue(b"{}", &salt(), good.clone()).is_err());
    let spaced = [&recorded.decision[..], b" "].concat();
    assert!(issue(&spaced, &salt(), good.clone()).is_err());
    assert!(issue(&recorded.decision, &salt(), Evidence { index: 4, ..good.clone() }).is_err());
    assert!(issue(&recorded.decision, &salt(), Evidence { proof: vec![], ..good.clone() }).is_err());
    // Another event of the same log, properly proved.
    for other in [0, 2, 4, 5] {
        let expected = VerifyError::Mismatch { what: "the event", reference: "a decision" };
        assert_eq!(issue(&recorded.decision, &salt(), evidence(&leaves, other)), Err(expected));
    }
    // A leaf that is an event but for a space, properly proved.
    let mut spaced = leaves.clone();
    spaced[index as usize].push(b' ');
    let error = issue(&recorded.decision, &salt(), evidence(&spaced, index)).unwrap_err();
    assert!(matches!(error, VerifyError::Format(FormatError::NotCanonical { .. })), "{error}");
    // Another log's checkpoint over the same leaves.
    let foreign = SigningKey::from_seed("gate.example.com/other", &[7; 32]).unwrap();
    let root = Checkpoint::open(&good.checkpoint, key().verifier()).unwrap().root();
    let checkpoint = Checkpoint::new("gate.example.com/other", 6, root).unwrap().sign(&foreign).unwrap();
    assert!(issue(&recorded.decision, &salt(), Evidence { checkpoint, ..good }).is_err());
}

#[test]
fn large_decisions_have_receipts() {
    let recorded = recorded(&decision_of(Outcome::Deny, 200, &request()));
    let verified = issue(&recorded).unwrap().verify(key().verifier()).unwrap();
    assert_eq!(verified.decision(), recorded.decision);
    let mut event = verified.event().clone();
    assert_eq!(body(&mut event).codes.len(), MAX_LISTED);
    assert_eq!(event.time, Time::from_text("2026-03-14T09:30:00.456Z").unwrap());
}
