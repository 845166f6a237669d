//! What recorded decisions would have been with another module: every change is found, nothing is left out silently.

use std::sync::Arc;

use portcullis::{
    ChangeKind, Gate, Outcome, PolicySet, Recorded, Sha256, Substituted, Substitution, SubstitutionSummary, Tried,
    Unknowable, Usage, Used,
};
use portcullis_tests::find;
use uuid::Uuid;

use super::site::{Policy, Site, built, decide, engine, erase, guest, rate};

/// The honest guest with another outcome (deny, escalate, acknowledge, defer, warn, allow: 0 to 5), code and message.
fn variant(outcome: u8, code: &str, message: &str) -> Vec<u8> {
    let mut bytes = find("00-allow").bytes;
    let head = b"\x05\0\0\0\xa0\0\0\0\x13\0\0\0";
    for (old, new) in [
        (&head[..], [&[outcome], &head[1..]].concat()),
        (b"guest.hostile.allow", code.into()),
        (b"allowed", message.into()),
    ] {
        let at = bytes.windows(old.len()).position(|window| window == old).unwrap();
        assert_eq!(old.len(), new.len(), "lengths stand elsewhere");
        bytes[at..at + old.len()].copy_from_slice(&new);
    }
    bytes
}

fn allows() -> Vec<u8> {
    variant(5, "guest.hostile.allow", "allowed")
}

fn denies() -> Vec<u8> {
    variant(0, "guest.hostile.allow", "allowed")
}

/// The same code in other bytes.
fn rebuilt(mut module: Vec<u8>) -> Vec<u8> {
    module.extend_from_slice(b"\0\x08\x04note1.1");
    module
}

fn policy(module: Vec<u8>) -> Policy {
    Policy { name: "one", module, more: String::new() }
}

fn decided(site: &Site, policies: &[Policy], times: usize) -> (Gate, Vec<Recorded>) {
    let gate = site.gate(site.set("set", "", policies));
    let recorded = (0..times).map(|n| decide(&gate, &format!("service-{n}"))).collect();
    (gate, recorded)
}

fn ids(recorded: &[Recorded]) -> Vec<Uuid> {
    recorded.iter().map(Recorded::id).collect()
}

fn substitute(site: &Site, ids: &[Uuid], old: &[u8], new: Vec<u8>) -> SubstitutionSummary {
    let reader = site.reader();
    let substitution = Substitution::new(&reader, engine().clone(), Sha256::of(old), new.into());
    let all: Vec<(Uuid, Substituted)> = ids.iter().map(|id| (*id, substitution.decide(*id).unwrap())).collect();
    let summary = SubstitutionSummary::of(all, &substitution);
    let unknown: u64 = summary.unknown.values().sum();
    assert_eq!(summary.concerned, summary.decided + summary.not_asked + unknown, "{summary:?}");
    assert_eq!(summary.decided, summary.transitions.iter().map(|one| one.count).sum::<u64>(), "{summary:?}");
    summary
}

#[test]
fn the_same_code_in_other_bytes_changes_nothing() {
    let site = Site::new();
    let (_gate, recorded) = decided(&site, &[policy(allows())], 4);
    let summary = substitute(&site, &ids(&recorded), &allows(), rebuilt(allows()));
    assert_eq!((summary.decisions, summary.concerned, summary.decided, summary.unchanged), (4, 4, 4, 4));
    assert_eq!((summary.said_otherwise, summary.more_lenient(), summary.other_engine), (0, 0, 0));
    assert!(summary.not_loaded.is_empty() && summary.problems.is_empty() && summary.faults.is_empty());
    let (before, after) = (summary.fuel_before.unwrap(), summary.fuel_after.unwrap());
    assert!(before == after && before.count == 4 && before.p50 > 0, "{before:?} {after:?}");
}

#[test]
fn every_change_of_outcome_is_found_and_the_more_lenient_come_first() {
    for (old, new, kind) in [
        (allows(), denies(), ChangeKind::Stricter),
        (denies(), allows(), ChangeKind::MoreLenient),
        (
            variant(1, "guest.hostile.allow", "allowed"),
            variant(3, "guest.hostile.allow", "allowed"),
            ChangeKind::MoreLenient,
        ),
        (allows(), variant(5, "guest.hostile.alloy", "allowed"), ChangeKind::SameOutcome),
        (allows(), variant(5, "guest.hostile.allow", "Allowed"), ChangeKind::SameOutcome),
    ] {
        let site = Site::new();
        let (_gate, recorded) = decided(&site, &[policy(old.clone())], 7);
        let summary = substitute(&site, &ids(&recorded), &old, new);
        let [transition] = summary.transitions.as_slice() else { panic!("{summary:?}") };
        assert_eq!((transition.kind, transition.count, transition.examples.len()), (kind, 7, 5), "{summary:?}");
        assert_eq!((summary.said_otherwise, summary.unchanged), (7, 0));
        assert_eq!(summary.more_lenient(), if kind == ChangeKind::MoreLenient { 7 } else { 0 });
        assert_eq!(transition.examples[0].id, recorded[0].id());
    }
    let site = Site::new();
    let (_gate, recorded) = decided(&site, &[policy(allows())], 1);
    let summary = substitute(&site, &ids(&recorded), &allows(), variant(5, "guest.hostile.alloy", "allowed"));
    assert_eq!((summary.transitions[0].codes, summary.transitions[0].messages), (1, 0));
    let example = &summary.transitions[0].examples[0];
    assert_eq!(example.code_before.as_deref(), Some("guest.hostile.allow"));
    assert_eq!(example.code_after.as_deref(), Some("guest.hostile.alloy"));
}

/// What the module says otherwise is counted though another policy decides.
#[test]
fn what_the_module_says_counts_though_the_decision_is_the_same() {
    let site = Site::new();
    let strict = Policy { name: "strict", module: variant(0, "guest.hostile.other", "refused"), more: String::new() };
    let (_gate, recorded) = decided(&site, &[policy(allows()), strict], 2);
    let advisory = substitute(&site, &ids(&recorded), &allows(), variant(4, "guest.hostile.allow", "allowed"));
    assert_eq!((advisory.said_otherwise, advisory.more_lenient()), (2, 0), "{advisory:?}");
    assert_eq!(advisory.transitions[0].from, Outcome::Deny);
}

#[test]
fn decisions_that_cannot_be_made_again_are_counted_by_reason() {
    let site = Site::new();
    let (gate, recorded) = decided(&site, &[policy(allows())], 3);
    erase(gate.ledger().unwrap(), recorded[1].id());
    let summary = substitute(&site, &ids(&recorded), &allows(), denies());
    assert_eq!((summary.decided, summary.unknown[&Unknowable::Erased]), (2, 1));
    drop(gate);
    rusqlite::Connection::open(site.ledger_file()).unwrap().execute("DELETE FROM blobs", []).unwrap();
    let summary = substitute(&site, &ids(&recorded), &allows(), denies());
    assert_eq!((summary.decided, summary.unknown[&Unknowable::SetNotInLedger]), (0, 2));
    assert!(summary.problems[0].contains("is not in the ledger"), "{:?}", summary.problems);
}

#[test]
fn sets_without_the_module_and_policies_that_are_not_asked_are_told_apart() {
    let site = Site::new();
    let (_gate, recorded) = decided(&site, &[policy(allows())], 2);
    let summary = substitute(&site, &ids(&recorded), &denies(), allows());
    assert_eq!((summary.decisions, summary.concerned, summary.decided), (2, 0, 0));
    let site = Site::new();
    let never = Policy { name: "never", module: denies(), more: "when = { action = \"other\" }".into() };
    let (_gate, recorded) = decided(&site, &[policy(allows()), never], 2);
    let summary = substitute(&site, &ids(&recorded), &denies(), allows());
    assert_eq!((summary.concerned, summary.not_asked, summary.decided), (2, 2, 0));
}

/// The settings of the set are those that the new module gets: where it does not take them, that is the finding.
#[test]
fn a_module_that_does_not_take_the_settings_faults() {
    let site = Site::new();
    let more = "settings = { limits = [{ at_most = 9, per_minutes = 60 }] }".to_owned();
    let (_gate, recorded) = decided(&site, &[Policy { name: "one", module: built("deploy-rate"), more }], 2);
    let summary = substitute(&site, &ids(&recorded), &built("deploy-rate"), built("cost-cap"));
    assert_eq!(summary.faults.get("load.settings"), Some(&2), "{summary:?}");
    assert_eq!((summary.transitions[0].from, summary.transitions[0].to), (Outcome::Allow, Outcome::Deny));
    let [policy] = summary.not_loaded.as_slice() else { panic!("{:?}", summary.not_loaded) };
    assert_eq!((policy.policy.as_str(), policy.code.as_str()), ("one", "load.settings"));
    assert!(policy.detail.contains("limits"), "{}", policy.detail);
}

/// What the new module reads and the recorded request lacks is missing, as it was then.
#[test]
fn fields_that_the_request_lacks_are_missing() {
    let site = Site::new();
    let one = Policy { name: "one", module: allows(), more: "settings = { cap = 5 }".into() };
    let (_gate, recorded) = decided(&site, &[one], 1);
    let summary = substitute(&site, &ids(&recorded), &allows(), built("cost-cap"));
    assert_eq!((summary.transitions[0].from, summary.transitions[0].to), (Outcome::Allow, Outcome::Defer));
    assert_eq!(summary.transitions[0].examples[0].code_after.as_deref(), Some("sample.cost-cap.cost-missing"));
}

#[test]
fn the_history_is_told_as_it_was_and_nothing_else_is_made_up() {
    let site = Site::new();
    let gate = site.gate(site.set("set", "", &[rate(2)]));
    let recorded: Vec<_> = (0..4).map(|_| decide(&gate, "payment-api")).collect();
    assert_eq!(recorded.iter().filter(|one| one.outcome() == Outcome::Allow).count(), 2);
    let summary = substitute(&site, &ids(&recorded), &built("deploy-rate"), rebuilt(built("deploy-rate")));
    assert_eq!((summary.decided, summary.unchanged), (4, 4), "{summary:?}");
    // One that asks nothing needs to be told nothing.
    let summary = substitute(&site, &ids(&recorded), &built("deploy-rate"), denies());
    assert_eq!((summary.decided, summary.unknown.len()), (4, 0), "{summary:?}");

    let site = Site::new();
    let more = "settings = { limits = [{ at_most = 2, per_minutes = 60 }] }".to_owned();
    let (_gate, recorded) = decided(&site, &[Policy { name: "one", module: allows(), more }], 2);
    let summary = substitute(&site, &ids(&recorded), &allows(), built("deploy-rate"));
    assert_eq!((summary.decided, summary.unknown[&Unknowable::HistoryAskedOtherwise]), (0, 2), "{summary:?}");
}

#[test]
fn the_waivers_and_levels_of_the_set_hold_for_the_new_module() {
    let site = Site::new();
    let waiver = "[[waiver]]\npolicy = \"one\"\ncode = \"guest.hostile.allow\"\nbecomes = \"warn\"\nreason = \"r\"\nowner = \"o\"\nuntil = 2100-01-01T00:00:00Z";
    let one = Policy { name: "one", module: allows(), more: waiver.into() };
    let (_gate, recorded) = decided(&site, &[one], 1);
    let summary = substitute(&site, &ids(&recorded), &allows(), denies());
    assert_eq!((summary.transitions[0].from, summary.transitions[0].to), (Outcome::Allow, Outcome::Warn));
    let site = Site::new();
    let policies =
        [guest("yes", "00-allow", ""), Policy { name: "one", module: denies(), more: "enforce = \"escalate\"".into() }];
    let (_gate, recorded) = decided(&site, &policies, 1);
    assert_eq!(recorded[0].outcome(), Outcome::Escalate);
    let summary = substitute(&site, &ids(&recorded), &denies(), variant(1, "guest.hostile.allow", "allowed"));
    assert_eq!((summary.transitions[0].from, summary.transitions[0].to), (Outcome::Escalate, Outcome::Escalate));
    assert_eq!(summary.said_otherwise, 1);
}

#[test]
fn a_module_that_runs_as_two_policies_is_replaced_in_both() {
    let site = Site::new();
    let two = Policy { name: "two", module: allows(), more: "enforce = \"warn\"".into() };
    let (_gate, recorded) = decided(&site, &[policy(allows()), two], 3);
    let summary = substitute(&site, &ids(&recorded), &allows(), denies());
    assert_eq!((summary.decided, summary.fuel_after.unwrap().count), (3, 6));
    let reader = site.reader();
    let usage =
        Usage::of(ids(&recorded).into_iter().filter_map(|id| Used::read(&reader, id, Sha256::of(&allows())).unwrap()));
    assert_eq!((usage.decisions, usage.said["allow"], usage.sets, usage.fuel.unwrap().count), (3, 6, 1, 6));
    assert_eq!((usage.codes[0].code.as_str(), usage.codes[0].count), ("guest.hostile.allow", 6));
    assert!(Used::read(&reader, recorded[0].id(), Sha256::of(b"other")).unwrap().is_none());
}

#[test]
fn usage_counts_what_was_erased_apart() {
    let site = Site::new();
    let (gate, recorded) = decided(&site, &[policy(allows())], 2);
    erase(gate.ledger().unwrap(), recorded[0].id());
    let reader = site.reader();
    let usage =
        Usage::of(ids(&recorded).into_iter().filter_map(|id| Used::read(&reader, id, Sha256::of(&allows())).unwrap()));
    assert_eq!((usage.decisions, usage.erased, usage.fuel.unwrap().count), (1, 1, 1));
    assert!(usage.first.is_some() && usage.first <= usage.last);
}

#[test]
fn a_module_is_tried_with_what_a_set_gives_the_old_one() {
    let site = Site::new();
    let one = Policy { name: "one", module: allows(), more: "settings = { cap = 5 }".into() };
    let folder = site.write_set("set", "", &[one]);
    let tried = |path: &std::path::Path, old: &[u8], new: Vec<u8>| {
        PolicySet::try_module(path, None, &Sha256::of(old), &Arc::from(new), engine()).unwrap()
    };
    let trials = tried(&folder, &allows(), built("cost-cap"));
    let Tried::Loaded { inputs, .. } = &trials[0].before else { panic!("{trials:?}") };
    assert_eq!((trials.len(), inputs.as_slice()), (1, &["/action/name".to_owned()][..]));
    let Tried::Loaded { inputs, .. } = &trials[0].after else { panic!("{trials:?}") };
    assert!(inputs.contains(&"/context/change/cost_usd".to_owned()), "{inputs:?}");
    assert_eq!(tried(&folder.join("portcullis.toml"), &allows(), built("cost-cap")), trials, "by its manifest");
    let trials = tried(&folder, &allows(), built("deploy-rate"));
    assert!(matches!(&trials[0].after, Tried::Failed { code, .. } if code == "load.settings"), "{trials:?}");
    assert_eq!(tried(&folder, &denies(), allows()), []);
}
