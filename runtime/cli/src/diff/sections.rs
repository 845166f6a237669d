//! What a comparison says, heading by heading.

use portcullis::{
    ChangeKind, RequirementsChange, SubstitutedTransition, SubstitutionSummary, Trial, Tried, Unknowable,
};
use portcullis_inspect::{Area, Difference};

use super::{Compared, Side};
use crate::decide::words::symbol;
use crate::inspect::page::{Item, Page, Part, Tone, figures, words};
use crate::inspect::sections::fuel_table;
use crate::text::{bytes, counted, shown};

/// The comparison.
pub fn page(compared: &Compared) -> Page {
    let Compared { old, new, identical, same_code, changes, cut, policies, decisions } = compared;
    let lenient = decisions.as_ref().map_or(0, SubstitutionSummary::more_lenient);
    let (tone, verdict, meaning) = if !new.admissible {
        let code = new.code.unwrap_or("refused");
        (Tone::Bad, "REFUSED", format!("{code}: {}", shown(new.detail.as_deref().unwrap_or(""))))
    } else if lenient > 0 {
        (Tone::Bad, "MORE LENIENT", format!("{} would be more lenient with the new module", count(lenient, "decision")))
    } else if *identical {
        (Tone::Good, "IDENTICAL", "the same bytes".to_owned())
    } else {
        let look = changes.iter().filter(|change| change.attention.is_some()).count();
        let differences = counted(changes.len(), "difference", "differences");
        let (tone, decided) = match decisions {
            Some(one) if one.is_unknown() => (Tone::Look, "; no recorded decision tells what it would change".into()),
            Some(one) => {
                let changed = one.decided.saturating_sub(one.unchanged);
                let tone = if one.faults.is_empty() { Tone::Good } else { Tone::Look };
                (tone, format!("; {changed} of {} made again would change", count(one.decided, "decision")))
            }
            None if *same_code => (Tone::Good, "; the code is the same".into()),
            None => (Tone::Look, "; the code differs, so what it decides may differ: use --ledger".into()),
        };
        (tone, "DIFFERS", format!("{differences}, {look} to look at{decided}"))
    };
    let mut page = Page {
        tone,
        verdict: verdict.into(),
        words: meaning,
        subject: format!("old {}", side(old)),
        digest: format!("new {}", side(new)),
        sections: Vec::new(),
    };
    let mut rest = changes.as_slice();
    while let Some(first) = rest.first() {
        let (these, others) = rest.split_at(rest.iter().take_while(|change| change.area == first.area).count());
        page.list(heading(first.area), these.iter().map(change));
        rest = others;
    }
    page.list("Not listed whole", cut.iter().map(|cut| format!("{}: {} of {}", shown(&cut.list), cut.shown, cut.of)));
    if let Some(policies) = policies {
        trials(&mut page, policies);
    }
    if let Some(decisions) = decisions {
        recorded(&mut page, decisions);
    }
    page
}

fn side(side: &Side) -> String {
    format!("{}, {}, sha256 {}", shown(&side.file), bytes(side.size_bytes), side.module_sha256)
}

fn change(change: &Difference) -> Item {
    let what = shown(&change.what);
    let value = |value: &str| if value.is_empty() { String::new() } else { format!(": {}", shown(value)) };
    let text = match (&change.before, &change.after) {
        (None, Some(after)) => format!("new: {what}{}", value(after)),
        (Some(before), None) => format!("gone: {what}{}", value(before)),
        (Some(before), Some(after)) => format!("{what}: {} → {}", shown(before), shown(after)),
        (None, None) => what,
    };
    match change.attention {
        Some(attention) => Item::new(Tone::Look, format!("{text}  [{attention}]")),
        None => Item::from(text),
    }
}

fn trials(page: &mut Page, policies: &[Trial]) {
    let mut items: Vec<Item> = Vec::new();
    if policies.is_empty() {
        items.push(Item::new(Tone::Look, "no policy of the set runs the old module, by its sha256"));
    }
    for Trial { policy, before, after } in policies {
        let policy = shown(policy);
        match (before, after) {
            (_, Tried::Failed { code, detail }) => {
                items.push(Item::new(Tone::Bad, format!("{policy}: it is not loaded: {code}: {}", shown(detail))));
            }
            (Tried::Failed { code, .. }, Tried::Loaded { inputs, .. }) => {
                items.push(format!("{policy}: it is loaded, where the old one is not ({code})").into());
                items.extend(inputs.iter().map(|input| Item::from(format!("{policy}: it reads {}", shown(input)))));
            }
            (Tried::Loaded { inputs: old, .. }, Tried::Loaded { inputs: new, without_snapshot }) => {
                let same = if old == new { "; it reads the same fields" } else { "" };
                items.push(format!("{policy}: it is loaded{same}").into());
                let more = new.iter().filter(|input| !old.contains(input));
                items.extend(
                    more.map(|input| {
                        Item::new(Tone::Look, format!("{policy}: new: {}  [it reads more]", shown(input)))
                    }),
                );
                let less = old.iter().filter(|input| !new.contains(input));
                items.extend(less.map(|input| Item::from(format!("{policy}: gone: {}", shown(input)))));
                let slow = without_snapshot
                    .as_ref()
                    .map(|reason| format!("{policy}: `configure` runs in each evaluation: {}", shown(reason)));
                items.extend(slow.map(Item::from));
            }
        }
    }
    page.list("In the policy set", items);
}

fn recorded(page: &mut Page, decisions: &SubstitutionSummary) {
    let mut items = vec![
        Item::from(format!("{} looked at, {} of a set with the old module", decisions.decisions, decisions.concerned)),
        Item::from(format!(
            "{} made again: in {} nothing changes, in {} the module says something else",
            decisions.decided, decisions.unchanged, decisions.said_otherwise
        )),
    ];
    if decisions.not_asked > 0 {
        items.push(format!("{} in which it was not asked", decisions.not_asked).into());
    }
    for (why, number) in &decisions.unknown {
        let words = match why {
            Unknowable::Erased => "erased",
            Unknowable::SetNotInLedger => "the ledger lacks the set or its files",
            Unknowable::HistoryAskedOtherwise => {
                "the new module asks the history otherwise: what it would have been told cannot be known"
            }
            Unknowable::WallTime => "a policy ran into its limit on wall time",
            Unknowable::HostFailure => "the host failed (a full disk, a process that could not be started)",
        };
        items.push(Item::new(Tone::Look, format!("{number} not made again: {words}")));
    }
    if decisions.other_engine > 0 {
        let text = format!(
            "{} of those made again were decided by another engine: not every change need be the module's, and their fuel \
             is not counted",
            decisions.other_engine
        );
        items.push(Item::new(Tone::Look, text));
    }
    for (code, number) in &decisions.faults {
        items.push(Item::new(Tone::Bad, format!("the new module faults in {number}: {}", shown(code))));
    }
    for policy in decisions.not_loaded.iter().take(MAX_LISTED) {
        let text = format!(
            "{} of set {}: not loaded: {}: {}",
            shown(&policy.policy),
            policy.set.short(),
            policy.code,
            shown(&policy.detail)
        );
        items.push(Item::new(Tone::Bad, text));
    }
    items.extend(decisions.problems.iter().take(MAX_LISTED).map(|problem| Item::new(Tone::Look, shown(problem))));
    let changed = decisions.transitions.iter().filter(|transition| transition.kind != ChangeKind::Unchanged);
    let head = vec![
        words("recorded"),
        words("with the new"),
        figures("decisions"),
        figures("codes"),
        figures("messages"),
        figures("obligations"),
        words(""),
    ];
    let table = Part::table(head, changed.clone().map(row));
    let examples = Part::items(changed.flat_map(examples));
    let fuel = decisions.fuel_before.iter().map(|fuel| ("old", fuel));
    let fuel: Vec<_> = fuel.chain(decisions.fuel_after.iter().map(|fuel| ("new", fuel))).collect();
    page.add("Recorded decisions, made again with the new module", None, vec![Part::Items(items), table, examples]);
    page.add("Fuel", None, vec![fuel_table(&fuel)]);
}

fn row(transition: &SubstitutedTransition) -> Vec<Item> {
    let (tone, words) = match transition.kind {
        ChangeKind::MoreLenient => (Tone::Bad, "more lenient"),
        ChangeKind::Stricter => (Tone::Look, "stricter"),
        ChangeKind::SameOutcome => (Tone::Plain, "the same outcome"),
        ChangeKind::Unchanged => (Tone::Plain, "nothing changes"),
    };
    let outcome = |outcome| Item::from(format!("{} {outcome}", symbol(outcome)));
    vec![
        outcome(transition.from),
        outcome(transition.to),
        transition.count.into(),
        transition.codes.into(),
        transition.messages.into(),
        transition.obligations.into(),
        Item::new(tone, words),
    ]
}

fn examples(transition: &SubstitutedTransition) -> impl Iterator<Item = Item> + '_ {
    transition.examples.iter().map(|example| {
        let code = |code: &Option<String>| shown(code.as_deref().unwrap_or("nothing"));
        let asks = match example.requirements {
            RequirementsChange::Same => "",
            RequirementsChange::Stricter => ", asks for more",
            RequirementsChange::Relaxed => ", asks for less",
        };
        let (from, to) = (transition.from, transition.to);
        let (before, after) = (code(&example.code_before), code(&example.code_after));
        Item::from(format!("{} {from} → {to}: {before} → {after}{asks}", example.id))
    })
}

fn heading(area: Area) -> &'static str {
    match area {
        Area::Admission => "Admission",
        Area::Code => "Code",
        Area::Imports => "What it can call",
        Area::Inputs => "What it can read of a request",
        Area::Data => "Reference documents that it wants",
        Area::History => "What it reads the ledger's history for",
        Area::Exports => "What it offers",
        Area::Description => "What it says about itself",
        Area::Settings => "Settings schema",
        Area::Codes => "Codes of its findings",
        Area::Limits => "What it needs of the limits",
        Area::Start => "Start",
        Area::Proposals => "WebAssembly beyond the first version",
        Area::Sizes => "Sizes",
        Area::Strings => "Text in its data",
        Area::CustomSections => "Custom sections",
        Area::Toolchain => "Made by, as it claims",
        Area::Metadata => "Origin, as it claims",
        Area::Dependencies => "Packages, as it claims",
    }
}

fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// Most policies and problems that are listed; all are in the JSON.
const MAX_LISTED: usize = 20;
