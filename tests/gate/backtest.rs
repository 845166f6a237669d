//! What another set would have decided.

use std::sync::Arc;

use portcullis::{Backtest, Backtester, Compared, Outcome, PolicySet, RequirementsChange};
use uuid::Uuid;

use super::site::{Policy, Site, built, decide, erase, guest, rate, says};

fn backtest(site: &Site, ids: &[Uuid], candidate: &PolicySet) -> Backtest {
    Backtest::of(ids.iter().map(|id| compare(site, *id, candidate)))
}

fn compare(site: &Site, id: Uuid, candidate: &PolicySet) -> Compared {
    Backtester::new(Arc::new(site.reader()), candidate).compare(id).unwrap()
}

#[test]
fn every_transition_is_counted_and_the_more_lenient_are_named() {
    let site = Site::new();
    let gate = site.gate(site.set("escalate", "", &says(Outcome::Escalate)));
    let ids: Vec<Uuid> = (0..8).map(|n| decide(&gate, &format!("service-{n}")).id()).collect();
    for outcome in Outcome::ALL {
        let candidate = site.set(outcome.as_str(), "", &says(outcome));
        let backtest = backtest(&site, &ids, &candidate);
        let [transition] = backtest.transitions.as_slice() else { panic!("{backtest:?}") };
        assert_eq!((transition.from, transition.to, transition.count), (Outcome::Escalate, outcome, 8));
        assert_eq!((backtest.decided, backtest.erased), (8, 0));
        let examples = if outcome == Outcome::Escalate { 0 } else { 5 };
        assert_eq!(transition.examples.len(), examples);
        assert_eq!(backtest.more_lenient().count(), usize::from(outcome < Outcome::Escalate));
    }
    let one = compare(&site, ids[0], &site.set("deny", "", &says(Outcome::Deny)));
    assert_eq!((one.from, one.to), (Outcome::Escalate, Some(Outcome::Deny)));
    assert!(one.code.unwrap().starts_with("guest.hostile"));
}

#[test]
fn what_was_erased_is_counted_as_such() {
    let site = Site::new();
    let gate = site.gate(site.set("set", "", &says(Outcome::Allow)));
    let ids: Vec<Uuid> = (0..3).map(|n| decide(&gate, &format!("service-{n}")).id()).collect();
    erase(gate.ledger().unwrap(), ids[1]);
    let backtest = backtest(&site, &ids, &site.set("candidate", "", &says(Outcome::Deny)));
    assert_eq!((backtest.decided, backtest.erased, backtest.transitions[0].count), (2, 1, 2));
}

/// A candidate that counts the past is told of the past as it was at each decision, not of today's.
#[test]
fn a_candidate_counts_what_there_was_then() {
    let site = Site::new();
    let gate = site.gate(site.set("set", "", &[guest("yes", "00-allow", "")]));
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(decide(&gate, "payment-api").id());
        std::thread::sleep(std::time::Duration::from_millis(3));
    }
    ids.push(decide(&gate, "billing").id());
    let candidate = site.set("candidate", "", &[rate(2)]);
    let to: Vec<_> = ids.iter().map(|id| compare(&site, *id, &candidate).to.unwrap()).collect();
    let (allow, defer) = (Outcome::Allow, Outcome::Defer);
    assert_eq!(to, [allow, allow, defer, defer, allow]);
}

/// A policy that asks what was asked then is told what was told then.
#[test]
fn the_same_set_changes_nothing() {
    let site = Site::new();
    let gate = site.gate(site.set("set", "", &[rate(2)]));
    let ids: Vec<Uuid> = (0..5).map(|_| decide(&gate, "payment-api").id()).collect();
    let backtest = backtest(&site, &ids, &site.set("set", "", &[rate(2)]));
    assert!(backtest.transitions.iter().all(|transition| transition.from == transition.to), "{backtest:?}");
    assert_eq!(backtest.decided, 5);
}

#[test]
fn transitions_are_listed_from_the_strictest() {
    let compared = |from, to| Compared {
        id: Uuid::nil(),
        from,
        to: Some(to),
        undecided: None,
        requirements: Some(RequirementsChange::Same),
        code: None,
        faulted: 0,
    };
    use Outcome::{Allow, Deny, Warn};
    let backtest =
        Backtest::of([compared(Allow, Allow), compared(Deny, Warn), compared(Allow, Deny), compared(Deny, Warn)]);
    let listed: Vec<_> = backtest.transitions.iter().map(|one| (one.from, one.to, one.count)).collect();
    assert_eq!(listed, [(Deny, Warn, 2), (Allow, Deny, 1), (Allow, Allow, 1)]);
    assert_eq!(backtest.more_lenient().map(|one| one.count).sum::<u64>(), 2);
}

/// The candidate decides what it would see, not what the recorded set saw.
#[test]
fn the_candidates_masks_are_applied() {
    let site = Site::new();
    let names = |pointer: &str| {
        let settings = format!(
            r#"settings = {{ mode = "first", otherwise = "deny", rules = [{{ name = "staging", when = {{ field = "{pointer}", op = "==", value = "staging" }}, outcome = "allow", message = "staging" }}] }}"#
        );
        vec![Policy { name: "rules", module: built("rules"), more: settings }]
    };
    let gate = site.gate(site.set("set", "", &names("/context/environment")));
    let id = decide(&gate, "payment-api").id();
    let same = site.set("same", "", &names("/context/environment"));
    assert_eq!(compare(&site, id, &same).to, Some(Outcome::Allow));
    let masked = site.set("masked", "mask = [\"/context/environment\"]", &names("/context/environment"));
    assert_eq!(compare(&site, id, &masked).to, Some(Outcome::Deny));
    let broken = site.set("broken", "mask = [\"/subject\"]", &names("/context/environment"));
    let compared = compare(&site, id, &broken);
    assert_eq!((compared.to, compared.undecided), (None, Some(portcullis::Undecided::Masked)));
    let backtest = backtest(&site, &[id], &broken);
    assert_eq!((backtest.decided, backtest.masked, backtest.erased), (0, 1, 0));
}

/// Two approvals become one: the outcome is the same, and the change is more lenient all the same.
#[test]
fn less_is_asked_for_under_the_same_outcome() {
    let site = Site::new();
    let approvals = |count: u32| {
        let settings = format!(
            r#"settings = {{ mode = "first", otherwise = "deny", rules = [{{ name = "two", when = {{ field = "/context/environment", op = "==", value = "staging" }}, outcome = "escalate", message = "ask", requirements = [{{ approve = {{ roles = ["lead"], count = {count} }} }}] }}] }}"#
        );
        vec![Policy { name: "rules", module: built("rules"), more: settings }]
    };
    let gate = site.gate(site.set("set", "", &approvals(2)));
    let recorded = decide(&gate, "payment-api");
    assert_eq!(recorded.outcome(), Outcome::Escalate, "{:?}", recorded.view().unwrap().findings);
    let ids = [recorded.id()];
    for (count, relaxed, stricter, lenient) in [(1, 1, 0, 1), (2, 0, 0, 0), (3, 0, 1, 0)] {
        let candidate = site.set(&format!("of-{count}"), "", &approvals(count));
        let backtest = backtest(&site, &ids, &candidate);
        let [transition] = backtest.transitions.as_slice() else { panic!("{backtest:?}") };
        assert_eq!((transition.from, transition.to), (Outcome::Escalate, Outcome::Escalate));
        assert_eq!((transition.relaxed, transition.stricter), (relaxed, stricter), "{count}");
        assert_eq!(backtest.more_lenient().map(|one| one.more_lenient()).sum::<u64>(), lenient, "{count}");
        assert_eq!(transition.examples.len(), usize::from(count != 2));
    }
}
