//! Row 28: what a policy is told about past decisions is recorded and replayed, and is never made up.

use std::sync::Arc;
use std::time::Duration;

use portcullis_engine::{Evaluation, History, Policy, RecordedHistory};
use portcullis_gate::{HistoryAnswer, HistoryCall, HistoryQuery, HistoryUnavailable, Outcome, Request, Said};
use portcullis_tests::find;

use super::meet::{engine, history, honest_is_allowed, load, printable, request, said};

/// A ledger in trouble, or one that is the trouble.
struct Ledger<F>(F);

impl<F: Fn(&HistoryQuery) -> Result<HistoryAnswer, HistoryUnavailable> + Send + Sync> History for Ledger<F> {
    fn answer(&self, query: &HistoryQuery) -> Result<HistoryAnswer, HistoryUnavailable> {
        (self.0)(query)
    }
}

fn policy(name: &str) -> Policy {
    load(engine(), &find(name)).unwrap()
}

fn with<F>(policy: &Policy, ledger: F) -> Evaluation
where
    F: Fn(&HistoryQuery) -> Result<HistoryAnswer, HistoryUnavailable> + Send + Sync + 'static,
{
    policy.evaluate_with(&request(), Some(Arc::new(Ledger(ledger))))
}

fn replayed(policy: &Policy, request: &Request, calls: &[HistoryCall]) -> Evaluation {
    policy.evaluate_with(request, Some(Arc::new(RecordedHistory::new(calls.to_vec()))))
}

fn detail(evaluation: &Evaluation) -> &str {
    match &evaluation.said {
        Said::Fault(faulted) => &faulted.detail,
        said => panic!("no fault: {said:?}"),
    }
}

#[test]
fn question_and_answer_are_recorded() {
    let guest = find("28-history");
    let evaluation = policy("28-history").evaluate_with(&request(), history(&guest));
    let [HistoryCall { query, answer }] = evaluation.history.as_slice() else { panic!("{:?}", evaluation.history) };
    let asked = HistoryQuery {
        action: Some("deploy".into()),
        resource_type: Some("service".into()),
        resource_id: Some("payment-api".into()),
        outcomes: vec![Outcome::Allow, Outcome::Warn],
        within_minutes: 60,
        until: request().now(),
    };
    assert_eq!(query, &asked);
    let at = |text: &str| Some(text.parse().unwrap());
    let (oldest, latest) = (at("2026-03-14T08:31:00Z"), at("2026-03-14T09:15:00Z"));
    assert_eq!(answer, &Ok(HistoryAnswer { count: 2, oldest, latest }));

    let many = find("28-history-as-often-as-may-be");
    assert_eq!(policy(many.name).evaluate_with(&request(), history(&many)).history.len(), 32);
    // What was told before a fault is kept; the question that was one too many was never put.
    let flood = find("28-history-flood");
    let evaluation = policy(flood.name).evaluate_with(&request(), history(&flood));
    assert_eq!((said(&evaluation).as_str(), evaluation.history.len()), ("fault.host-calls", 32));
    // Nor is one out of bounds.
    let long = find("28-history-window-too-long");
    assert_eq!(policy(long.name).evaluate_with(&request(), history(&long)).history, []);
}

#[test]
fn a_ledger_that_cannot_answer_is_a_fault_and_says_why() {
    let policy = policy("28-history-empty");
    let evaluation = with(&policy, |_| Err(HistoryUnavailable { reason: "locked by \u{1b}[2J \u{202e}gnp".into() }));
    assert_eq!(said(&evaluation), "fault.history");
    assert!(detail(&evaluation).contains("locked by \\u{1b}[2J"), "{}", detail(&evaluation));
    printable(&find("28-history-empty"), detail(&evaluation));
    let [HistoryCall { answer: Err(unavailable), .. }] = evaluation.history.as_slice() else { panic!("recorded") };
    printable(&find("28-history-empty"), &unavailable.reason);

    let without = policy.evaluate(&request());
    assert_eq!((said(&without).as_str(), without.history.len()), ("fault.history", 1));
}

#[test]
fn a_ledger_that_contradicts_itself_is_a_fault() {
    let policy = policy("28-history-empty");
    let time = |minutes: i64| Some(request().now() - jiff::SignedDuration::from_mins(minutes));
    for (count, oldest, latest) in [
        (0, time(5), time(5)),
        (3, None, None),
        (1, time(5), None),
        (2, time(5), time(10)),
        (1, time(10), time(5)),
        (1, time(60), time(60)),
        (1, time(-1), time(-1)),
    ] {
        let evaluation = with(&policy, move |_| Ok(HistoryAnswer { count, oldest, latest }));
        assert_eq!(said(&evaluation), "fault.history", "{count} {oldest:?} {latest:?}");
        assert!(matches!(evaluation.history.as_slice(), [HistoryCall { answer: Err(_), .. }]));
    }
}

#[test]
fn a_ledger_that_panics_harms_nobody() {
    let policy = policy("28-history-empty");
    assert_eq!(said(&with(&policy, |_| panic!("a defect of the ledger"))), "fault.host");
    assert_eq!(said(&policy.evaluate_with(&request(), history(&find("28-history-empty")))), "allow");
    honest_is_allowed();
}

/// A slow ledger uses up the policy's time, not more.
#[test]
fn a_slow_ledger_uses_up_the_time() {
    let mut guest = find("28-history-as-often-as-may-be");
    guest.limits = vec![("time-ms".into(), 50)];
    let policy = load(engine(), &guest).unwrap();
    let evaluation = with(&policy, |_| {
        std::thread::sleep(Duration::from_millis(40));
        Ok(HistoryAnswer::default())
    });
    assert_eq!(said(&evaluation), "fault.time");
    assert!(evaluation.history.len() < 32, "{}", evaluation.history.len());
}

/// Verdict, fuel and transcript are those of the recorded evaluation: also where it faulted, and whatever the ledger
/// holds by now.
#[test]
fn a_recorded_evaluation_is_replayed() {
    for name in ["28-history", "28-history-each-time", "28-history-as-often-as-may-be", "28-history-flood"] {
        let guest = find(name);
        let policy = policy(name);
        let recorded = policy.evaluate_with(&request(), history(&guest));
        let again = replayed(&policy, &request(), &recorded.history);
        assert_eq!((&again.said, again.fuel), (&recorded.said, recorded.fuel), "{name}");
        assert_eq!(again.history, recorded.history, "{name}");
        // As it is written into the ledger and read back.
        let written = serde_json::to_string(&recorded.history).unwrap();
        assert_eq!(serde_json::from_str::<Vec<HistoryCall>>(&written).unwrap(), recorded.history, "{name}");
    }
    let policy = policy("28-history-empty");
    for recorded in [
        policy.evaluate(&request()),
        with(&policy, |_| Err(HistoryUnavailable { reason: "locked \u{1b}".into() })),
        with(&policy, |_| Ok(HistoryAnswer { count: 7, ..HistoryAnswer::default() })),
    ] {
        let again = replayed(&policy, &request(), &recorded.history);
        assert_eq!((&again.said, again.fuel), (&recorded.said, recorded.fuel));
        assert_eq!(again.history, recorded.history);
    }
}

#[test]
fn a_replay_that_asks_otherwise_or_more_is_a_fault() {
    let guest = find("28-history-as-often-as-may-be");
    let policy = policy(guest.name);
    let recorded = policy.evaluate_with(&request(), history(&guest)).history;
    let (_, shorter) = recorded.split_last().unwrap();
    let evaluation = replayed(&policy, &request(), shorter);
    assert_eq!(said(&evaluation), "fault.history");
    assert!(detail(&evaluation).contains("more than in the recorded decision"), "{}", detail(&evaluation));

    let mut other = recorded.clone();
    other[7].query.within_minutes += 1;
    let mut narrower = recorded.clone();
    narrower[7].query.outcomes.push(Outcome::Deny);
    for calls in [other, narrower] {
        let evaluation = replayed(&policy, &request(), &calls);
        assert_eq!((said(&evaluation).as_str(), evaluation.history.len()), ("fault.history", 8));
        assert!(detail(&evaluation).contains("otherwise than in the recorded decision"), "{}", detail(&evaluation));
    }

    let later = Request::parse(request().bytes(), request().now() + jiff::SignedDuration::from_millis(1)).unwrap();
    assert_eq!(said(&replayed(&policy, &later, &recorded)), "fault.history");
    assert_eq!(said(&replayed(&policy, &request(), &recorded)), "allow");
}
