//! Outcomes in settings, by their names.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use portcullis_policy::prelude::*;
use portcullis_policy::test::{Case, Fault, schema};
use serde_json::json;

/// What to say.
#[derive(Settings)]
struct Settings {
    outcome: Outcome,
    #[setting(default = ["allow", "warn"], length = 1..=6)]
    counted: Vec<Outcome>,
}

#[derive(Inputs)]
struct Inputs {
    #[input("/context/outcome")]
    outcome: Option<Outcome>,
}

#[policy(name = "test.outcomes", summary = "Says what it is told.", codes(SAID = "test.outcomes.said": "Always."))]
fn evaluate(settings: &Settings, input: &Inputs) -> Finding {
    let counted: Vec<_> = settings.counted.iter().map(|outcome| outcome.as_str()).collect();
    say(input.outcome.unwrap_or(settings.outcome), SAID, counted.join(" "))
}

const ALL: [Outcome; 6] =
    [Outcome::Allow, Outcome::Warn, Outcome::Defer, Outcome::Acknowledge, Outcome::Escalate, Outcome::Deny];

fn said(settings: &str, context: serde_json::Value) -> Result<(Option<Outcome>, String), Fault> {
    let case = Case::of::<Policy>().settings(settings).request(
        &json!({
            "subject": {"type": "user", "id": "a"}, "action": {"name": "b"}, "resource": {"type": "c", "id": "d"},
            "context": context
        })
        .to_string(),
    );
    let answer = case.try_run()?;
    Ok((answer.outcome(), answer.as_findings()[0].message.clone()))
}

#[test]
fn each_is_read_by_its_name() {
    for outcome in ALL {
        let name = outcome.as_str();
        let settings = format!(r#"{{"outcome":"{name}","counted":["{name}"]}}"#);
        assert!(said(&settings, json!({})).unwrap() == (Some(outcome), name.to_owned()), "{name}");
        let from_request = said(r#"{"outcome":"deny"}"#, json!({"outcome": name})).unwrap();
        assert!(from_request == (Some(outcome), "allow warn".to_owned()), "{name}");
    }
}

#[test]
fn anything_else_is_a_problem() {
    for wrong in ["\"Deny\"", "\"abstain\"", "\"\"", "0", "null", "[\"deny\"]"] {
        match said(&format!(r#"{{"outcome":{wrong}}}"#), json!({})) {
            Err(Fault::Settings(problems)) => assert_eq!(problems[0].at, "/outcome", "{wrong}"),
            _ => panic!("{wrong} was read"),
        }
    }
    assert!(said(r#"{"outcome":"deny"}"#, json!({"outcome": "allowed"})).is_err());
}

#[test]
fn the_schema_names_them() {
    let schema: serde_json::Value = serde_json::from_str(&schema::<Policy>()).unwrap();
    let names = ALL.map(Outcome::as_str);
    assert_eq!(schema["properties"]["outcome"], json!({"type": "string", "enum": names}));
    assert_eq!(schema["properties"]["counted"]["items"]["enum"], json!(names));
}
