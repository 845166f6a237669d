use jiff::Timestamp;
use serde_json::json;

use crate::testing::time;
use crate::*;

const NOW: &str = "2026-03-14T09:30:00Z";

fn query() -> HistoryQuery {
    HistoryQuery {
        action: Some("deploy".into()),
        resource_type: Some("service".into()),
        resource_id: None,
        outcomes: vec![Outcome::Allow, Outcome::Warn],
        within_minutes: 60,
        until: time(NOW),
    }
}

fn past(now: &str) -> PastDecision {
    PastDecision {
        now: time(now),
        action: "deploy".into(),
        resource_type: "service".into(),
        resource_id: "payment-api".into(),
        outcome: Outcome::Allow,
    }
}

#[test]
fn the_window_holds_its_end_and_not_its_start() {
    for (now, counted) in [
        ("2026-03-14T08:30:00Z", false),
        ("2026-03-14T08:30:00.001Z", true),
        (NOW, true),
        ("2026-03-14T09:30:00.001Z", false),
    ] {
        assert_eq!(query().concerns(&past(now)), counted, "{now}");
    }
}

#[test]
fn everything_that_is_given_must_hold() {
    let inside = "2026-03-14T09:00:00Z";
    let other = "other".to_owned();
    let id = |id: &str| HistoryQuery { resource_id: Some(id.into()), ..query() };
    assert!(query().concerns(&past(inside)));
    assert!(id("payment-api").concerns(&past(inside)) && !id("payment").concerns(&past(inside)));
    assert!(!query().concerns(&PastDecision { action: other.clone(), ..past(inside) }));
    assert!(!query().concerns(&PastDecision { resource_type: other, ..past(inside) }));
    for outcome in Outcome::ALL {
        let decision = PastDecision { outcome, ..past(inside) };
        assert_eq!(query().concerns(&decision), outcome.proceeds(), "{outcome}");
        assert!(HistoryQuery { outcomes: Vec::new(), ..query() }.concerns(&decision));
    }
}

#[test]
fn an_answer_has_the_count_and_both_ends_whatever_the_order() {
    let (first, second, third) = ("2026-03-14T08:45:00Z", "2026-03-14T09:00:00Z", "2026-03-14T09:29:59.999Z");
    let mut decisions = vec![past(second), past("2026-03-14T08:00:00Z"), past(first), past(third)];
    for _ in 0..decisions.len() {
        decisions.rotate_left(1);
        let answer = query().answer_from(&decisions);
        assert_eq!(answer, HistoryAnswer { count: 3, oldest: Some(time(first)), latest: Some(time(third)) });
        assert_eq!(answer.check(&query()), Ok(()));
    }
    assert_eq!(query().answer_from(&[]), HistoryAnswer::default());
    assert_eq!(HistoryAnswer::default().check(&query()), Ok(()));
}

#[test]
fn a_query_out_of_bounds_is_refused() {
    let text = |bytes: usize| Some("x".repeat(bytes));
    for (query, fine) in [
        (query(), true),
        (HistoryQuery { within_minutes: 0, ..query() }, false),
        (HistoryQuery { within_minutes: 1, ..query() }, true),
        (HistoryQuery { within_minutes: MAX_HISTORY_MINUTES, ..query() }, true),
        (HistoryQuery { within_minutes: MAX_HISTORY_MINUTES + 1, ..query() }, false),
        (HistoryQuery { within_minutes: u32::MAX, ..query() }, false),
        (HistoryQuery { outcomes: Outcome::ALL.to_vec(), ..query() }, true),
        (HistoryQuery { outcomes: vec![Outcome::Allow; 7], ..query() }, false),
        (HistoryQuery { action: text(MAX_HISTORY_TEXT_BYTES), ..query() }, true),
        (HistoryQuery { action: text(MAX_HISTORY_TEXT_BYTES + 1), ..query() }, false),
        (HistoryQuery { resource_type: text(MAX_HISTORY_TEXT_BYTES + 1), ..query() }, false),
        (HistoryQuery { resource_id: text(MAX_HISTORY_TEXT_BYTES + 1), ..query() }, false),
    ] {
        assert_eq!(query.check().is_ok(), fine, "{query:?}");
    }
    let first = HistoryQuery { until: Timestamp::MIN, ..query() };
    assert_eq!(first.since(), Timestamp::MIN);
}

#[test]
fn an_answer_that_cannot_be_one_is_unavailable() {
    let (oldest, latest) = (Some(time("2026-03-14T08:45:00Z")), Some(time("2026-03-14T09:00:00Z")));
    let good = HistoryAnswer { count: 2, oldest, latest };
    assert_eq!(good.check(&query()), Ok(()));
    for (answer, says) in [
        (HistoryAnswer { count: 0, ..good.clone() }, "without"),
        (HistoryAnswer { oldest: None, ..good.clone() }, "without"),
        (HistoryAnswer { latest: None, ..good.clone() }, "without"),
        (HistoryAnswer { count: 1, ..good.clone() }, "not the oldest"),
        (HistoryAnswer { oldest: latest, latest: oldest, ..good.clone() }, "not the oldest"),
        (HistoryAnswer { oldest: Some(time("2026-03-14T08:30:00Z")), ..good.clone() }, "outside the window"),
        (HistoryAnswer { latest: Some(time("2026-03-14T09:30:00.001Z")), ..good.clone() }, "outside the window"),
        (HistoryAnswer { latest: Some(time("2026-03-14T09:00:00.0001Z")), ..good.clone() }, "whole milliseconds"),
    ] {
        let reason = answer.check(&query()).unwrap_err().reason;
        assert!(reason.contains(says), "{answer:?}: {reason}");
    }
}

#[test]
fn a_call_is_written_and_read_back() {
    let oldest = Some(time("2026-03-14T08:45:00Z"));
    let answered = HistoryCall { query: query(), answer: Ok(HistoryAnswer { count: 1, oldest, latest: oldest }) };
    let unavailable =
        HistoryCall { query: query(), answer: Err(HistoryUnavailable { reason: "it is being repaired".into() }) };
    let asked = json!({ "action": "deploy", "resource_type": "service", "outcomes": ["allow", "warn"],
        "within_minutes": 60, "until": "2026-03-14T09:30:00.000Z" });
    let at = "2026-03-14T08:45:00.000Z";
    for (call, written) in [
        (answered, json!({ "query": asked, "answer": { "count": 1, "oldest": at, "latest": at } })),
        (unavailable, json!({ "query": asked, "unavailable": "it is being repaired" })),
    ] {
        assert_eq!(serde_json::to_value(&call).unwrap(), written);
        assert_eq!(serde_json::from_value::<HistoryCall>(written).unwrap(), call);
    }
    for wrong in [
        json!({ "query": asked }),
        json!({ "query": asked, "answer": { "count": 0 }, "unavailable": "no" }),
        json!({ "query": asked, "answer": { "count": 0 }, "extra": 1 }),
        json!({ "query": asked, "answer": { "count": -1 } }),
    ] {
        assert!(serde_json::from_value::<HistoryCall>(wrong.clone()).is_err(), "{wrong}");
    }
}
