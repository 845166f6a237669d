use serde_json::json;

use crate::testing::*;
use crate::*;

/// One of everything: a waived finding, a fault, an abstention, a skipped policy, an expired waiver, an obligation.
fn everything() -> (SetParts, Vec<Option<PolicyRun>>) {
    let mut set = SetParts::new("acme-deploys", policies(&["window", "cost", "quiet", "production-only", "slow"]));
    set.policies[3].when = when("/context/environment", "production");
    set.policies[4].enforce = Outcome::Escalate;
    set.waivers = vec![
        Waiver { reason: "the freeze does not concern us".into(), ..waiver(0, "sample.test.freeze", Outcome::Warn) },
        Waiver { until: time("2026-01-01T00:00:00Z"), ..waiver(1, "sample.test.cap", Outcome::Warn) },
    ];
    let cap = Finding {
        at: Some("/context/change/cost_usd".into()),
        requirement: Some(Requirement::Approve { roles: vec!["finance".into()], count: 1, within_minutes: Some(60) }),
        ..finding(Outcome::Escalate, "cap")
    };
    let runs = vec![
        obliged(answer(vec![finding(Outcome::Deny, "freeze")]), "notify"),
        answer(vec![finding(Outcome::Allow, "small"), cap]),
        abstains(),
        None,
        faults(Fault::Time),
    ];
    (set, runs)
}

fn decided_as(call: Call, parts: SetParts, runs: Vec<Option<PolicyRun>>) -> Decision {
    decide(select(&pinned(parts), &request_in(&json!({ "environment": "staging" }))), call, runs)
}

fn call(n: u128) -> Call {
    let id = uuid::Uuid::from_u128(n);
    Call { id, correlation_id: Some(format!("change-{n}")), supersedes: Some(id) }
}

#[test]
fn is_written_in_the_order_in_which_people_read() {
    let (set, runs) = everything();
    let stopped = decided_as(call(7), set.clone(), runs.clone());
    insta::assert_snapshot!("stopped", serde_json::to_string_pretty(&stopped).unwrap());
    let mut proceeding = runs;
    (proceeding[1], proceeding[4]) = (says(Outcome::Allow), abstains());
    let proceeding = decided_as(Call::default(), set, proceeding);
    insta::assert_snapshot!("proceeding", serde_json::to_string_pretty(&proceeding).unwrap());
}

#[test]
fn ids_and_durations_are_not_in_the_replay_bytes_and_all_else_is() {
    let (set, runs) = everything();
    let bytes = decided_as(call(1), set.clone(), runs.clone()).replay_bytes().expect("bytes");
    let mut slower = runs.clone();
    for run in slower.iter_mut().flatten() {
        run.duration_us += 1000;
    }
    assert_eq!(decided_as(call(2), set.clone(), slower).replay_bytes().expect("bytes"), bytes);
    let mut hungrier = runs.clone();
    hungrier[0].as_mut().unwrap().fuel += 1;
    assert_ne!(decided_as(call(1), set.clone(), hungrier).replay_bytes().expect("bytes"), bytes);

    let mut json = serde_json::to_value(decided_as(call(1), set, runs)).unwrap();
    let members = json.as_object_mut().unwrap();
    assert!(members.remove("id").is_some() && members.remove("correlation_id").is_some());
    assert!(members.remove("supersedes").is_some());
    for policy in members["policies"].as_array_mut().unwrap() {
        assert!(policy.as_object_mut().unwrap().remove("duration_us").is_some());
    }
    assert_eq!(json, serde_json::from_slice::<serde_json::Value>(&bytes).unwrap());
}

#[test]
fn the_accounting_adds_up() {
    let (set, runs) = everything();
    let decision = decided_as(call(1), set, runs);
    assert_eq!(decision.evaluated(), Evaluated { ran: 4, abstained: 1, skipped: 1, faulted: 1 });
    assert_eq!(decision.policies().count(), 5);
    assert_eq!(decision.waivers().count(), 2);
}

#[test]
fn a_decision_that_was_written_is_read_back_whole() {
    let (set, runs) = everything();
    for runs in [runs.clone(), runs.into_iter().map(|_| None).collect()] {
        let decision = decided_as(call(1), set.clone(), runs);
        let json = serde_json::to_vec(&decision).unwrap();
        let view = DecisionView::parse(&json).unwrap();
        assert_eq!(view, decision.view());
        assert_eq!(serde_json::to_vec(&view).unwrap(), json);
    }
    for damaged in [&b"{}"[..], b"", b"[]"] {
        assert!(DecisionView::parse(damaged).is_err());
    }
    let decision = decided_as(call(1), set, Vec::new());
    let unknown = serde_json::to_string(&decision).unwrap().replacen("\"outcome\"", "\"new\":1,\"outcome\"", 1);
    assert!(DecisionView::parse(unknown.as_bytes()).is_err());
}
