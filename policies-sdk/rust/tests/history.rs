//! Questions about the ledger's history, and what the test harness answers and refuses as the host would.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use portcullis_policy::prelude::*;
use portcullis_policy::test::{Case, Fault, PastDecision, cases, description};
use portcullis_policy::time::Time;

#[derive(Inputs)]
struct Inputs {
    #[input("/context/minutes")]
    minutes: u32,
    #[input("/context/times")]
    times: Option<u32>,
    #[input("/context/text")]
    text: Option<u32>,
}

#[policy(
    name = "test.history",
    summary = "Counts.",
    codes(COUNTED = "test.history.counted": "How many."),
    history = "Counts \"everything\"."
)]
fn evaluate(input: &Inputs) -> Finding {
    let mut query = Query::within_minutes(input.minutes).action("deploy").resource("service", "a").proceeded();
    if let Some(bytes) = input.text {
        query = query.action("x".repeat(usize::try_from(bytes).unwrap()));
    }
    let mut past = history(&query);
    for _ in 1..input.times.unwrap_or(1) {
        past = history(&query);
    }
    let text = |time: Option<Time>| time.map(|time| time.to_string());
    allow(COUNTED, format!("{} {:?} {:?}", past.count, text(past.oldest), text(past.latest)))
}

mod silent {
    use portcullis_policy::prelude::*;

    #[policy(name = "test.silent", summary = "Counts.", codes(COUNTED = "test.silent.counted": "How many."))]
    pub(super) fn evaluate(_: &()) -> Finding {
        allow(COUNTED, history(&Query::within_minutes(1)).count.to_string())
    }
}

fn past(action: &str, resource: (&str, &str), outcome: Outcome, minutes_ago: u32) -> PastDecision {
    let (action, resource_type, resource_id) = (action.into(), resource.0.into(), resource.1.into());
    PastDecision { action, resource_type, resource_id, outcome, minutes_ago }
}

fn case(minutes: u32) -> Case {
    let ours = ("service", "a");
    Case::of::<Policy>().set("/context/minutes", &minutes.to_string()).past([
        past("deploy", ours, Outcome::Warn, 15),
        past("deploy", ours, Outcome::Allow, 59),
        past("deploy", ours, Outcome::Allow, 60),
        past("deploy", ours, Outcome::Deny, 1),
        past("delete", ours, Outcome::Allow, 1),
        past("deploy", ("job", "a"), Outcome::Allow, 1),
        past("deploy", ("service", "b"), Outcome::Allow, 1),
    ])
}

fn message(case: &Case) -> String {
    case.run().as_findings()[0].message.clone()
}

#[test]
fn counts_what_everything_holds_for_within_the_window() {
    let two = "2 Some(\"2026-03-14T08:31:00.000Z\") Some(\"2026-03-14T09:15:00.000Z\")";
    assert_eq!(message(&case(60)), two);
    assert!(message(&case(61)).starts_with("3 "));
    assert!(message(&case(527_040)).starts_with("3 "));
    assert_eq!(message(&case(15)), "0 None None");
    assert_eq!(message(&Case::of::<Policy>().set("/context/minutes", "5").past([])), "0 None None");
}

#[test]
fn refuses_what_the_host_refuses() {
    let none = Case::of::<Policy>().set("/context/minutes", "5");
    for (case, code) in [
        (none, "fault.history"),
        (case(0), "fault.trap"),
        (case(527_041), "fault.trap"),
        (case(60).set("/context/text", "1025"), "fault.trap"),
        (case(60).set("/context/times", "33"), "fault.host-calls"),
        (Case::of::<silent::Policy>().past([]), "load.history"),
    ] {
        let fault = case.try_run().unwrap_err();
        assert_eq!(fault.code(), code, "{fault}");
    }
    assert!(case(60).set("/context/times", "32").try_run().is_ok());
    assert!(case(60).set("/context/text", "1024").try_run().is_ok());
    let fault = Case::of::<silent::Policy>().past([]).try_run().unwrap_err();
    assert!(matches!(&fault, Fault::Unannounced(detail) if detail.contains("#[policy(history")), "{fault}");
}

#[test]
fn the_description_announces_it() {
    let described: serde_json::Value = serde_json::from_str(&description::<Policy>()).unwrap();
    assert_eq!(described["history"], serde_json::json!({ "summary": "Counts \"everything\"." }));
    let silent: serde_json::Value = serde_json::from_str(&description::<silent::Policy>()).unwrap();
    assert_eq!(silent.get("history"), None);
}

#[test]
fn case_files_hold_past_decisions() {
    let folder = std::env::temp_dir().join(format!("portcullis-past-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let case = |name: &str, past: &str, outcome: &str, codes: &str| {
        format!(
            r#"{{"name": "{name}", "request": {{"context": {{"minutes": 60}}}}, {past}
                "expect": {{"outcome": "{outcome}", "codes": [{codes}]}}}}"#
        )
    };
    let one =
        r#"{"action": "deploy", "resource": {"type": "service", "id": "a"}, "outcome": "allow", "minutes_ago": 5}"#;
    let run = |cases_text: String| {
        std::fs::write(folder.join("a.json"), cases_text).unwrap();
        std::panic::catch_unwind(|| cases::<Policy>(&folder)).is_ok()
    };
    let code = "\"test.history.counted\"";
    let good = [
        case("one", &format!("\"past\": [{one}],"), "allow", code),
        case("none", "\"past\": [],", "allow", code),
        case("no history", "", "fault.history", ""),
    ];
    assert!(run(format!("[{}]", good.join(","))));
    for (from, to) in
        [("\"allow\", \"minutes", "\"permit\", \"minutes"), ("minutes_ago", "minutes"), ("\"id\"", "\"ID\"")]
    {
        let bad = good[0].replacen(from, to, 1);
        assert_ne!(bad, good[0]);
        assert!(!run(format!("[{bad}]")), "{bad}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
