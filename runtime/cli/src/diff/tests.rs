use std::collections::{BTreeMap, BTreeSet};

use portcullis::{
    ChangeKind, Outcome, Percentiles, RequirementsChange, Sha256, SubstitutedTransition, SubstitutionExample,
    SubstitutionSummary, Trial, Tried, Unknowable, UnloadedPolicy,
};
use portcullis_inspect::{InspectLimits, differences, review};
use uuid::Uuid;

use super::{Compared, sections, side};
use crate::inspect::fixtures::{hostile, policy, rich, shape};
use crate::inspect::human;

fn compared(old: &[u8], new: &[u8]) -> Compared {
    let limits = InspectLimits::default();
    let (before, after) = (review(old, &limits), review(new, &limits));
    let found = differences(&before, &after);
    Compared {
        old: side("old.wasm".as_ref(), &before),
        new: side("new.wasm".as_ref(), &after),
        identical: found.identical,
        same_code: found.same_code,
        changes: found.changes,
        cut: found.cut,
        policies: None,
        decisions: None,
    }
}

fn shown(compared: &Compared) -> String {
    let text = anstream::adapter::strip_str(&human::render(&sections::page(compared))).to_string();
    let text = text.replace(&compared.old.module_sha256.to_string(), "(old sha256)");
    text.replace(&compared.new.module_sha256.to_string(), "(new sha256)")
}

fn summary() -> SubstitutionSummary {
    let transition = |from, to, kind, requirements| SubstitutedTransition {
        from,
        to,
        kind,
        count: 7,
        codes: 6,
        messages: 5,
        obligations: 4,
        examples: vec![SubstitutionExample {
            id: Uuid::nil(),
            code_before: Some("a.b.before".into()),
            code_after: Some("a.b.after".into()),
            requirements,
        }],
    };
    use Outcome::{Allow, Deny, Escalate};
    SubstitutionSummary {
        decisions: 100,
        concerned: 60,
        not_asked: 5,
        decided: 50,
        unknown: BTreeMap::from([
            (Unknowable::Erased, 1),
            (Unknowable::SetNotInLedger, 2),
            (Unknowable::HistoryAskedOtherwise, 1),
            (Unknowable::WallTime, 1),
        ]),
        unchanged: 29,
        said_otherwise: 21,
        other_engine: 3,
        faults: BTreeMap::from([("load.settings".into(), 7)]),
        transitions: vec![
            transition(Deny, Allow, ChangeKind::MoreLenient, RequirementsChange::Same),
            transition(Escalate, Escalate, ChangeKind::MoreLenient, RequirementsChange::Relaxed),
            transition(Allow, Deny, ChangeKind::Stricter, RequirementsChange::Same),
            transition(Allow, Allow, ChangeKind::Unchanged, RequirementsChange::Same),
        ],
        fuel_before: Some(Percentiles { count: 50, p50: 10, p90: 20, p99: 30, max: 40 }),
        fuel_after: Some(Percentiles { count: 50, p50: 11, p90: 21, p99: 31, max: 41 }),
        not_loaded: vec![UnloadedPolicy {
            policy: "one".into(),
            set: Sha256::from_bytes([7; 32]),
            code: "load.settings".into(),
            detail: "unknown field `cap`".into(),
        }],
        problems: vec!["the lock is not in the ledger".into()],
    }
}

fn trials() -> Vec<Trial> {
    let inputs = |inputs: &[&str]| inputs.iter().map(|&input| input.into()).collect();
    vec![
        Trial {
            policy: "one".into(),
            before: Tried::Loaded { inputs: inputs(&["/now"]), without_snapshot: None },
            after: Tried::Loaded { inputs: inputs(&["/subject/id"]), without_snapshot: Some("two memories".into()) },
        },
        Trial {
            policy: "two".into(),
            before: Tried::Loaded { inputs: inputs(&[]), without_snapshot: None },
            after: Tried::Failed { code: "load.settings".into(), detail: "unknown field `cap`".into() },
        },
    ]
}

/// Which members there are, and of which type: what other programs rely on.
#[test]
fn the_json_has_a_stable_shape() {
    let mut all = BTreeSet::new();
    let mut whole = compared(&policy(""), &rich());
    (whole.policies, whole.decisions) = (Some(trials()), Some(summary()));
    shape("", &serde_json::to_value(whole).unwrap(), &mut all);
    shape("", &serde_json::to_value(compared(&rich(), b"")).unwrap(), &mut all);
    insta::assert_snapshot!(all.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn people_read_what_differs_and_what_it_would_have_changed() {
    let mut compared = compared(&policy(""), &rich());
    compared.policies = Some(trials());
    compared.decisions = Some(summary());
    insta::assert_snapshot!(shown(&compared));
}

#[test]
fn the_first_line_says_the_worst() {
    let first = |compared: &Compared| shown(compared).lines().next().unwrap().to_owned();
    assert_eq!(first(&compared(&rich(), &rich())), "✔ IDENTICAL  the same bytes");
    let differs = first(&compared(&policy(""), &rich()));
    assert!(differs.starts_with("~ DIFFERS  ") && differs.contains("use --ledger"), "{differs}");
    assert!(first(&compared(&rich(), b"\x7fELF")).starts_with("✖ REFUSED  load.format: an ELF file"));
    let mut lenient = compared(&rich(), &rich());
    lenient.decisions = Some(summary());
    assert_eq!(first(&lenient), "✖ MORE LENIENT  14 decisions would be more lenient with the new module");
}

#[test]
fn nothing_of_a_module_acts_on_a_terminal() {
    let text = shown(&compared(&policy(""), &hostile()));
    let unprintable = |c: char| c != '\n' && portcullis_gate::text::is_unprintable(c);
    assert!(!text.chars().any(unprintable) && text.contains("\\u{202e}"), "{text}");
}
