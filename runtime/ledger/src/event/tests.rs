use portcullis_gate::{Outcome, PolicySaid};
use serde_json::Value;

use super::*;
use crate::testing::{body, decision_of, events, id, recorded, request, time};
use crate::{Commitment, Salt};

#[test]
fn a_decision_is_written_like_this() {
    let Recorded { event, decision, leaf, .. } = recorded(&decision_of(Outcome::Warn, 1, &request()));
    assert_eq!(leaf, event.encode().unwrap());
    let text = String::from_utf8(leaf).unwrap();
    let digest = |bytes: &[u8]| Sha256::of(bytes).to_string();
    let commitment = |salt: u8, bytes: &[u8]| Commitment::new(&Salt::new([salt; 32]), bytes).commitment.to_string();
    let expected = [
        r#"{"body":{"action":"deploy","codes":["sample.test.code-0","fault.fuel"],"correlation_id":"change-7","#,
        &format!(r#""decision":{{"bytes":{},"commitment":"{}"}},"#, decision.len(), commitment(2, &decision)),
        r#""degraded":true,"duration_us":1234,"#,
        &format!(r#""engine":{{"configuration_sha256":"{}","version":"test 1"}},"#, digest(b"engine")),
        &format!(r#""idempotency":"{}","left_out":{{"codes":0,"policies":0}},"#, digest(b"key")),
        r#""now":"2026-03-14T09:30:00.123Z","outcome":"warn","policies":[{"data":{"#,
        &format!(r#""calendar":"{}"}},"module_sha256":"{}","#, digest(b"calendar"), digest(b"p0")),
        &format!(r#""name":"p0","settings_sha256":"{}"}},{{"data":{{}},"#, digest(b"{}")),
        &format!(r#""module_sha256":"{}","name":"p2","settings_sha256":null}}],"#, digest(b"p2")),
        &format!(r#""policy_set":{{"name":"acme-deploys","sha256":"{}"}},"proceed":true,"#, digest(b"set")),
        &format!(r#""request":{{"bytes":{},"commitment":"{}"}},"#, request().len(), commitment(1, &request())),
        r#""resource":{"id":"payments/api é","type":"service"},"#,
        &format!(r#""supersedes":"{}","valid_until":"2026-03-14T09:35:00.123Z"}},"#, id(2)),
        &format!(r#""id":"{}","time":"2026-03-14T09:30:00.456Z","type":"decision","v":1}}"#, id(1)),
    ];
    assert_eq!(text, expected.concat());
    // The decision's messages may name a person; its event does not.
    assert!(String::from_utf8(decision).unwrap().contains("alice"));
    assert!(!text.contains("alice"));
}

#[test]
fn the_decision_is_stored_exactly() {
    let decision = decision_of(Outcome::Allow, 1, &request());
    let bytes = recorded(&decision).decision;
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(text.contains(r#""params":{"big":18446744073709551615,"share":0.1,"whole":2}"#), "{text}");
    let value: Value = canonical::decode("decision", &bytes, Numbers::All, usize::MAX).unwrap();
    assert_eq!(value["findings"], serde_json::to_value(&decision).unwrap()["findings"]);
}

#[test]
fn an_event_is_made_of_what_the_decision_says_when_it_is_read() {
    for outcome in Outcome::ALL {
        for count in [0, 1, 3, 40] {
            let decision = decision_of(outcome, count, &request());
            let written = recorded(&decision).decision;
            let read = Facts::of(&written).unwrap();
            assert_eq!(Facts::of_view(&decision.view()).unwrap(), read);
        }
    }
}

#[test]
fn every_type_is_read_as_it_was_written() {
    let kinds: Vec<_> = events().iter().map(Event::kind).collect();
    let expected =
        ["policy-set.activated", "decision", "replay.checked", "request.erased", "key.rotated", "policy.reviewed"];
    assert_eq!(kinds, expected);
    for event in events() {
        let bytes = event.encode().unwrap();
        assert_eq!(Event::decode(&bytes), Ok(event.clone()));
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                assert_ne!(Event::decode(&changed).ok().as_ref(), Some(&event), "byte {at}, bit {bit}");
            }
            assert!(Event::decode(&bytes[..at]).is_err());
        }
    }
}

#[test]
fn only_the_one_spelling_is_read() {
    for event in events() {
        let text = String::from_utf8(event.encode().unwrap()).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        for other in [
            format!("{text}\n"),
            format!(" {text}"),
            serde_json::to_string_pretty(&value).unwrap(),
            text.replacen('{', r#"{"a":1,"#, 1),
            text.replace(r#""body":{"#, r#""body":{"a":1,"#),
            text.replace(r#""v":1}"#, r#""v":1,"w":null}"#),
            text.replace(r#""v":1}"#, r#""v":2}"#),
            text.replace(r#""v":1}"#, r#""v":1.0}"#),
            text.replace(r#""type":"#, r#""type":"","type":"#),
            text.replace(event.kind(), "decision.other"),
            text.replace(".000Z", "Z").replace(".456Z", "Z"),
            text.replace(&event.id.to_string(), &event.id.to_string().to_uppercase().replace("-7", "-4")),
            text.replace(&event.id.to_string(), &event.id.simple().to_string()),
            text.replace(r#""correlation_id":"change-7""#, r#""correlation_id":null"#)
                .replace(r#""reference":"DSR-7""#, r#""reference":null"#)
                .replace(r#""v":1}"#, r#""v":1} "#),
        ] {
            assert!(Event::decode(other.as_bytes()).is_err(), "{other}");
        }
    }
    let decision = String::from_utf8(events()[1].encode().unwrap()).unwrap();
    for other in [
        decision.replace(r#""correlation_id":"change-7","#, r#""correlation_id":null,"#),
        decision.replace(r#""degraded":true,"#, ""),
        decision.replace(r#""settings_sha256":null"#, r#""settings_sha256":"""#),
        decision.replace(r#","settings_sha256":null"#, ""),
        decision.replace("é", r"\u00e9"),
        decision.replace(r#""duration_us":1234"#, r#""duration_us":1234.5"#),
        decision.replace(r#""duration_us":1234"#, r#""duration_us":9007199254740992"#),
        decision.replace(r#""duration_us":1234"#, r#""duration_us":-1"#),
        decision.replace(r#""outcome":"warn""#, r#""outcome":"Warn""#),
    ] {
        assert_ne!(other, decision);
        assert!(Event::decode(other.as_bytes()).is_err(), "{other}");
    }
}

/// Ledgers that were written before sets had evidence have activations without it.
#[test]
fn an_activation_without_evidence_is_written_as_it_always_was() {
    let Body::PolicySetActivated(mut body) = events().remove(0).body else { panic!() };
    body.evidence_sha256 = None;
    let event = Event { body: Body::PolicySetActivated(body), ..events().remove(0) };
    let bytes = event.encode().unwrap();
    assert!(!String::from_utf8(bytes.clone()).unwrap().contains("evidence"));
    assert_eq!(Event::decode(&bytes), Ok(event));
    let null = String::from_utf8(bytes).unwrap().replace(r#""lock_sha256""#, r#""evidence_sha256":null,"lock_sha256""#);
    assert!(matches!(Event::decode(null.as_bytes()), Err(FormatError::NotCanonical { .. })));
}

#[test]
fn a_later_version_is_named() {
    let text = String::from_utf8(events().remove(2).encode().unwrap()).unwrap();
    let error = Event::decode(text.replace(r#""v":1}"#, r#""v":2}"#).as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "event: version 2, not 1");
}

/// The bytes are canonical, and the event contradicts itself.
#[test]
fn contradictions_are_neither_written_nor_read() {
    let stopped = recorded(&decision_of(Outcome::Deny, 1, &request())).event;
    let change = |change: fn(&mut DecisionBody)| {
        let mut event = events().remove(1);
        change(body(&mut event));
        event
    };
    let mut until = stopped.clone();
    body(&mut until).valid_until = Some(time("2026-03-14T09:35:00.000Z"));
    let mut erased = events().remove(3);
    let Body::RequestErased(body) = &mut erased.body else { panic!() };
    body.parts.reverse();
    let mut twice = erased.clone();
    let Body::RequestErased(body) = &mut twice.body else { panic!() };
    body.parts = vec![ErasedPart::Request; 2];
    let mut nothing = erased.clone();
    let Body::RequestErased(body) = &mut nothing.body else { panic!() };
    body.parts.clear();
    let mut same = events().remove(4);
    let Body::KeyRotated(body) = &mut same.body else { panic!() };
    body.next = body.previous.clone();
    let mut other = events().remove(4);
    let Body::KeyRotated(body) = &mut other.body else { panic!() };
    body.next = crate::SigningKey::from_seed("other", &[8; 32]).unwrap().verifier().clone();
    let fourth = Event { id: uuid::Builder::from_random_bytes([7; 16]).into_uuid(), ..events().remove(2) };
    for event in [
        until,
        erased,
        twice,
        nothing,
        same,
        other,
        fourth,
        change(|body| body.proceed = false),
        change(|body| body.outcome = Outcome::Deny),
        change(|body| body.action = "a".repeat(MAX_EVENT_TEXT_BYTES + 1)),
        change(|body| body.resource.kind = "a".repeat(MAX_EVENT_TEXT_BYTES + 1)),
        change(|body| body.resource.id = "a".repeat(MAX_RESOURCE_ID_BYTES + 1)),
        change(|body| body.correlation_id = Some("a".repeat(MAX_EVENT_TEXT_BYTES + 1))),
        change(|body| body.codes = vec!["a".into(); MAX_LISTED + 1]),
        change(|body| body.policies = vec![body.policies[0].clone(); MAX_LISTED + 1]),
    ] {
        assert!(event.encode().is_err(), "{event:?}");
        let wire = serde_json::json!({
            "v": VERSION,
            "type": event.kind(),
            "time": event.time,
            "id": event.id,
            "body": value_of(&event.body),
        });
        let bytes = canonical::encode(WHAT, &wire, Numbers::Integers, usize::MAX).unwrap();
        assert!(Event::decode(&bytes).is_err(), "{event:?}");
    }
}

fn value_of(body: &Body) -> Value {
    let value = match body {
        Body::PolicySetActivated(body) => serde_json::to_value(body),
        Body::Decision(body) => serde_json::to_value(body),
        Body::PolicyReviewed(body) => serde_json::to_value(body),
        Body::ReplayChecked(body) => serde_json::to_value(body),
        Body::RequestErased(body) => serde_json::to_value(body),
        Body::KeyRotated(body) => serde_json::to_value(body),
    };
    value.unwrap()
}

#[test]
fn what_does_not_fit_is_left_out_and_counted() {
    let many = decision_of(Outcome::Deny, 100, &request());
    let Recorded { mut event, decision, .. } = recorded(&many);
    assert!(event.encode().unwrap().len() <= MAX_EVENT_BYTES);
    let body = body(&mut event);
    assert_eq!((body.codes.len(), body.policies.len()), (MAX_LISTED, MAX_LISTED));
    // 101 codes with the fault's, and 101 policies with the one that faulted.
    assert_eq!(body.left_out, LeftOut { codes: 101 - 32, policies: 101 - 32 });
    // What is not listed must be stored all the same.
    let needed = &recorded(&many).references;
    let all = many.policies().filter(|policy| policy.said != PolicySaid::Skipped);
    assert!(all.flat_map(|policy| policy.module_sha256).all(|digest| needed.contains(&digest)));
    assert_eq!(crate::store::Entry::of_recorded(&recorded(&many)).references, *needed);
    let facts = Facts::of(&decision).unwrap();
    let unchanged = event.clone();
    let (event_body, mut changed) = match event.body {
        Body::Decision(body) => (body.clone(), body),
        other => panic!("{other:?}"),
    };
    assert_eq!(facts.mismatch(&unchanged, &event_body), None);
    changed.left_out.codes += 1;
    assert_eq!(facts.mismatch(&unchanged, &changed), Some("codes"));
    changed.clone_from(&event_body);
    changed.codes.remove(0);
    changed.left_out.codes += 1;
    assert_eq!(facts.mismatch(&unchanged, &changed), Some("codes"));
    changed.clone_from(&event_body);
    changed.policies.swap(0, 1);
    assert_eq!(facts.mismatch(&unchanged, &changed), Some("policies"));
    changed.clone_from(&event_body);
    changed.left_out.policies = u64::MAX;
    assert_eq!(facts.mismatch(&unchanged, &changed), Some("policies"));

    // The worst texts that are taken still make an event: every byte of theirs is escaped to six.
    let bell = |n: usize| "\u{7}".repeat(n);
    let request = serde_json::json!({
        "subject": { "type": "user", "id": "alice" },
        "action": { "name": bell(MAX_EVENT_TEXT_BYTES) },
        "resource": { "type": bell(MAX_EVENT_TEXT_BYTES), "id": bell(MAX_RESOURCE_ID_BYTES) },
    });
    let request = request.to_string().into_bytes();
    let mut event = recorded(&decision_of(Outcome::Deny, 100, &request)).event;
    assert!(event.encode().unwrap().len() <= MAX_EVENT_BYTES);
    let codes = self::body_codes(&mut event);
    assert!(codes > 0, "codes are kept before policies");
}

fn body_codes(event: &mut Event) -> usize {
    body(event).codes.len()
}

#[test]
fn a_large_set_is_activated_with_the_first_of_its_policies() {
    let Body::PolicySetActivated(mut activated) = events().remove(0).body else { panic!() };
    let mut files = activated.policies[0].clone();
    files.data = (0..20).map(|n| (format!("document-{n}"), Sha256::of(b"document"))).collect();
    activated.policies = vec![files; 1000];
    activated.fit();
    assert_eq!(activated.policies.len() as u64 + activated.policies_left_out, 1000);
    assert!(activated.policies.len() > 4);
    let event = Event { body: Body::PolicySetActivated(activated), ..events().remove(0) };
    assert!(event.encode().is_ok());
}

/// Whatever the bytes are, a [`Decoder`] reads them as [`Event::decode`] does.
#[test]
fn an_event_is_read_in_parts_as_it_is_as_a_whole() {
    let mut decoder = Decoder::default();
    let mut read = |bytes: &[u8]| {
        let found = decoder.decode(bytes);
        assert_eq!(found.clone().map(|(event, _)| event), Event::decode(bytes), "{}", String::from_utf8_lossy(bytes));
        found.is_ok_and(|(_, repeated)| repeated)
    };
    let Recorded { event, .. } = recorded(&decision_of(Outcome::Warn, 3, &request()));
    let changed = |change: fn(&mut DecisionBody)| {
        let mut event = event.clone();
        change(body(&mut event));
        event.encode().unwrap()
    };
    let digest = Sha256::of(b"any");
    assert!(!read(&changed(|_| ())), "the first list is new");
    for (bytes, repeated) in [
        (changed(|_| ()), true),
        (changed(|body| body.action = "policies".to_owned()), true),
        (changed(|body| body.codes = vec!["a.b.policies".to_owned(), "policies".to_owned()]), true),
        (changed(|body| body.action = r#"a","policies":[],"b":""#.to_owned()), true),
        (changed(|body| body.resource.id = r#"],"policy_set":{"#.to_owned()), true),
        (changed(|body| body.policies.clear()), false),
        (changed(|body| drop(body.policies.pop())), false),
        (changed(|_| ()), false),
        (changed(|_| ()), true),
    ] {
        assert_eq!(read(&bytes), repeated, "{}", String::from_utf8_lossy(&bytes));
    }
    // Names of documents are as free as texts get here.
    for name in ["policies", "policy_set", r#"","policies":["#, r#"],"policy_set":{"#] {
        let mut event = event.clone();
        for files in &mut body(&mut event).policies {
            files.data = [("a".to_owned(), digest), (name.to_owned(), digest)].into();
        }
        read(&event.encode().unwrap());
        assert!(read(&event.encode().unwrap()), "{name}");
    }
    // As many as an event lists, and one more; too long as a whole.
    for count in [MAX_LISTED, MAX_LISTED + 1, 4 * MAX_LISTED] {
        let mut event = event.clone();
        let policies = &mut body(&mut event).policies;
        *policies = policies.iter().cycle().take(count).cloned().collect();
        let wire = serde_json::json!({
            "v": VERSION, "type": event.kind(), "time": event.time, "id": event.id, "body": value_of(&event.body),
        });
        read(&canonical::encode(WHAT, &wire, Numbers::Integers, usize::MAX).unwrap());
    }
    // Every byte of an event changed, left out, and doubled.
    let bytes = changed(|body| body.policies.truncate(2));
    for at in 0..bytes.len() {
        for other in [b'"', b'[', b']', b'{', b'}', b',', b':', b'\\', b'0', b'a', b' ', 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] = other;
            read(&bytes);
        }
        read(&[&bytes[..at], &bytes[at + 1..]].concat());
        read(&[&bytes[..=at], &bytes[at..]].concat());
    }
    for event in events() {
        read(&event.encode().unwrap());
    }
}
