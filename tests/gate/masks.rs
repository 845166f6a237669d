//! What is masked is nowhere: not in a file, not in an answer. What is decided, recorded and replayed is the masked text.

use portcullis::doors::{self, DoorOptions};
use portcullis::{DecideOptions, Recorded, ReplayResult, Replayer, Request};
use serde_json::Value;

use super::site::{Policy, Site, built, contains, engine, guest, says};
use portcullis::Outcome;

const PLAN: &[u8] = include_bytes!("../../sample-policies/requests/terraform-plan.json");
const MASKS: &str = "mask = [\"/context/token\", \"/context/**/password\"]";

fn asks(token: &str, password: &str) -> Request {
    let text = format!(
        r#"{{"subject":{{"type":"user","id":"ann"}},"action":{{"name":"deploy"}},"resource":{{"type":"service","id":"payment-api"}},"context":{{"token":"{token}","db":[{{"password":"{password}"}}]}}}}"#
    );
    Request::parse(text.as_bytes(), portcullis::now()).unwrap()
}

fn context(recorded: &Recorded) -> Value {
    serde_json::from_slice::<Value>(recorded.request().bytes()).unwrap()["context"].clone()
}

#[test]
fn a_masked_value_is_in_no_file_and_equal_values_have_equal_tokens() {
    let site = Site::new();
    let gate = site.gate(site.set("set", MASKS, &says(Outcome::Allow)));
    let decide = |token, password| gate.decide(asks(token, password), &DecideOptions::default()).unwrap();
    let one = decide("tok-4711-verysecret", "hunter2-hunter2");
    let same = decide("tok-4711-verysecret", "tok-4711-verysecret");
    let other = decide("tok-4712-verysecret", "hunter2-hunter2");
    let contexts = [&one, &same, &other].map(context);
    assert!(contexts[0]["token"].as_str().unwrap().starts_with("masked:hmac-sha256:"), "{}", contexts[0]);
    assert_eq!(contexts[0]["token"], contexts[1]["token"]);
    assert_eq!(contexts[1]["token"], contexts[1]["db"][0]["password"], "whatever the field");
    assert_ne!(contexts[0]["token"], contexts[2]["token"]);
    assert_eq!(contexts[0]["db"], contexts[2]["db"]);

    let secrets: [&[u8]; 2] = [b"-verysecret", b"hunter2"];
    for recorded in [&one, &same, &other] {
        for secret in secrets {
            assert!(!contains(recorded.json(), secret) && !contains(recorded.request().bytes(), secret));
        }
    }
    assert!(site.ledger_holds(b"masked:hmac-sha256:"), "the files are read at all");
    assert!(secrets.iter().all(|secret| !site.ledger_holds(secret)), "while the ledger is open");
    let ids = [one.id(), same.id(), other.id()];
    drop(gate);
    assert!(secrets.iter().all(|secret| !site.ledger_holds(secret)), "after it was closed");

    let reader = site.reader();
    let replayer = Replayer::new(&reader, engine().clone());
    for id in ids {
        assert_eq!(replayer.replay(id).unwrap().result, ReplayResult::Match);
    }
    // The key is the ledger's: opened again, equal values still have equal tokens.
    drop(reader);
    let gate = site.gate(site.set("set", MASKS, &says(Outcome::Allow)));
    let again = gate.decide(asks("tok-4711-verysecret", "x"), &DecideOptions::default()).unwrap();
    assert_eq!(context(&again)["token"], contexts[0]["token"]);
    let elsewhere = Site::new();
    let gate = elsewhere.gate(elsewhere.set("set", MASKS, &says(Outcome::Allow)));
    let again = gate.decide(asks("tok-4711-verysecret", "x"), &DecideOptions::default()).unwrap();
    assert_ne!(context(&again)["token"], contexts[0]["token"], "another ledger, another key");
}

/// The same masked request under the same key is the same request.
#[test]
fn masks_and_idempotency_keys_go_together() {
    let site = Site::new();
    let gate = site.gate(site.set("set", MASKS, &says(Outcome::Allow)));
    let options = DecideOptions { idempotency_key: Some("one".into()), ..DecideOptions::default() };
    let first = gate.decide(asks("tok-4711-verysecret", "hunter2-hunter2"), &options).unwrap();
    assert_eq!(gate.decide(asks("tok-4711-verysecret", "hunter2-hunter2"), &options).unwrap().id(), first.id());
    assert!(gate.decide(asks("tok-4712-verysecret", "hunter2-hunter2"), &options).is_err());
}

/// A policy that asks for the whole request sees it masked: the guest logs what it reads.
#[test]
fn the_credentials_of_a_plan_are_nowhere() {
    const PASSWORD: &[u8] = b"notsecret";
    assert!(contains(PLAN, PASSWORD), "the sample has a password");
    let site = Site::new();
    let gate = site.gate(site.set("set", "", &[guest("yes", "00-allow", ""), guest("reads", "03-request", "")]));
    let opened = doors::open(None, PLAN, &DoorOptions::default()).unwrap();
    assert!(!opened.masks.is_empty());
    let request = Request::parse(&opened.request, portcullis::now()).unwrap();
    let options = DecideOptions { masks: opened.masks, ..DecideOptions::default() };
    let recorded = gate.decide(request, &options).unwrap();
    assert!(!contains(recorded.request().bytes(), PASSWORD) && !contains(recorded.json(), PASSWORD));
    assert!(site.ledger_holds(b"masked:hmac-sha256:"));
    assert!(!site.ledger_holds(PASSWORD));
    drop(gate);
    assert!(!site.ledger_holds(PASSWORD));
    let reader = site.reader();
    let replayed = Replayer::new(&reader, engine().clone()).replay(recorded.id()).unwrap();
    assert_eq!(replayed.result, ReplayResult::Match, "{replayed:?}");
}

/// What is written for policies has no format that says what is secret: the fields' names say it.
#[test]
fn credentials_in_requests_and_checks_are_nowhere() {
    let site = Site::new();
    let gate = site.gate(site.set("set", "", &[guest("yes", "00-allow", ""), guest("reads", "03-request", "")]));
    let secrets = r#""password":"verysecret-1","db":[{"Api_Key":"verysecret-2"}],"headers":{"Authorization":"Bearer verysecret-3"}"#;
    let kept = r#""token":true,"secret":{"name":"kept-1"},"token_count":"kept-2""#;
    let native = format!(
        r#"{{"subject":{{"type":"user","id":"ann","properties":{{"token":"verysecret-4"}}}},"action":{{"name":"deploy"}},"resource":{{"type":"service","id":"api"}},"context":{{{secrets},{kept}}}}}"#
    );
    let stage0 =
        format!(r#"{{"goal":"x","tools":[],"side_effects":[],"constraints":[],"context":{{{secrets},{kept}}}}}"#);
    for (kind, payload) in [(doors::Kind::Native, native), (doors::Kind::Stage0, stage0)] {
        let opened = doors::open(Some(kind), payload.as_bytes(), &DoorOptions::default()).unwrap();
        let request = Request::parse(&opened.request, portcullis::now()).unwrap();
        let options = DecideOptions { masks: opened.masks, ..DecideOptions::default() };
        let recorded = gate.decide(request, &options).unwrap();
        let text = String::from_utf8_lossy(recorded.request().bytes()).into_owned();
        assert!(!text.contains("verysecret"), "{kind}: {text}");
        for kept in ["\"token\":true", "kept-1", "kept-2"] {
            assert!(text.contains(kept), "{kind}: {text}");
        }
        let reader = site.reader();
        let replayed = Replayer::new(&reader, engine().clone()).replay(recorded.id()).unwrap();
        assert_eq!(replayed.result, ReplayResult::Match, "{replayed:?}");
    }
    drop(gate);
    assert!(site.ledger_holds(b"masked:hmac-sha256:") && !site.ledger_holds(b"verysecret"));
}

/// A mask that takes away what makes a request one is an error, and nothing is recorded.
#[test]
fn a_mask_that_breaks_the_request_decides_nothing() {
    let site = Site::new();
    let gate = site.gate(site.set("set", "mask = [\"/context\"]", &says(Outcome::Allow)));
    let events = super::site::size(&gate);
    let result = gate.decide(asks("a", "b"), &DecideOptions::default());
    let error = result.unwrap_err();
    assert_eq!(error.code(), "portcullis.mask", "{error}");
    assert_eq!(super::site::size(&gate), events);
}

/// Whoever writes a plan writes its marks: they must not hide from the policies what these judge.
#[test]
fn marks_in_a_plan_hide_nothing_from_policies() {
    let mut marked: Value = serde_json::from_slice(PLAN).unwrap();
    for change in marked["resource_changes"].as_array_mut().unwrap() {
        change["change"]["after_sensitive"] = true.into();
    }
    let site = Site::new();
    let policy = Policy {
        name: "plan",
        module: built("terraform-blast-radius"),
        more: "limits = { fuel = 50_000_000, time-ms = 2_000 }\n".into(),
    };
    let gate = site.gate(site.set("set", "", &[policy]));
    let codes = |text: &[u8]| {
        let opened = doors::open(Some(doors::Kind::Terraform), text, &DoorOptions::default()).unwrap();
        let request = Request::parse(&opened.request, portcullis::now()).unwrap();
        let options = DecideOptions { masks: opened.masks, ..DecideOptions::default() };
        let recorded = gate.decide(request, &options).unwrap();
        let view = recorded.view().unwrap();
        view.findings.iter().map(|finding| finding.code.to_string()).collect::<Vec<_>>()
    };
    let honest = codes(PLAN);
    for code in ["sample.terraform.public-database", "sample.terraform.wide-iam", "sample.terraform.open-port"] {
        assert!(honest.iter().any(|found| found == code), "{honest:?}");
    }
    assert_eq!(codes(marked.to_string().as_bytes()), honest);
}
