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
        assert_eq!(view.clone().into_owned(), view);
    }
    for damaged in [&b"{}"[..], b"", b"[]"] {
        assert!(DecisionView::parse(damaged).is_err());
    }
    let decision = decided_as(call(1), set, Vec::new());
    let unknown = serde_json::to_string(&decision).unwrap().replacen("\"outcome\"", "\"new\":1,\"outcome\"", 1);
    assert!(DecisionView::parse(unknown.as_bytes()).is_err());
}

#[test]
fn what_was_asked_of_the_history_is_in_the_trace_and_in_the_replay_bytes() {
    let query = HistoryQuery {
        action: Some("deploy".into()),
        resource_type: None,
        resource_id: None,
        outcomes: vec![Outcome::Allow],
        within_minutes: 60,
        until: time(NOW),
    };
    let at = Some(time("2026-03-14T09:00:00Z"));
    let answered = |count: u64| {
        let answer = Ok(HistoryAnswer { count, oldest: at, latest: at });
        vec![HistoryCall { query: query.clone(), answer }]
    };
    let (set, mut runs) = everything();
    let without = serde_json::to_value(decided_as(call(1), set.clone(), runs.clone())).unwrap();
    assert!(without["policies"].as_array().unwrap().iter().all(|policy| policy.get("history").is_none()));

    runs[0].as_mut().unwrap().history = answered(1);
    // A policy that faulted keeps what it was told before.
    let unavailable = Err(HistoryUnavailable { reason: "it is being repaired".into() });
    runs[4].as_mut().unwrap().history = vec![HistoryCall { query: query.clone(), answer: unavailable }];
    let decision = decided_as(call(1), set.clone(), runs.clone());
    let shown = serde_json::to_value(&decision).unwrap();
    let asked =
        json!({ "action": "deploy", "outcomes": ["allow"], "within_minutes": 60, "until": "2026-03-14T09:30:00.000Z" });
    let at = "2026-03-14T09:00:00.000Z";
    assert_eq!(
        shown["policies"][0]["history"],
        json!([{ "query": asked, "answer": { "count": 1, "oldest": at, "latest": at } }])
    );
    assert_eq!(shown["policies"][4]["history"], json!([{ "query": asked, "unavailable": "it is being repaired" }]));
    let replayed: serde_json::Value = serde_json::from_slice(&decision.replay_bytes().unwrap()).unwrap();
    for policy in [0, 4] {
        assert_eq!(replayed["policies"][policy]["history"], shown["policies"][policy]["history"]);
    }

    // Another answer with the same verdict: the same decision, and not the same replay.
    runs[0].as_mut().unwrap().history = answered(2);
    let other = decided_as(call(1), set, runs);
    assert_eq!((other.outcome(), other.degraded()), (decision.outcome(), decision.degraded()));
    assert_ne!(other.replay_bytes().unwrap(), decision.replay_bytes().unwrap());
}
