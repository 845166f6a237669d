//! Decisions for people: the outcome at a glance, why, what would change it, and by what it was made.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use portcullis::Place;
use portcullis_gate::{DecisionView, Outcome, PolicySaid, PolicyTrace, Sha256, WaiverStatus};

use super::{Decided, Payload, Standing, words};
use crate::text::{counted, shown};

const HEADING: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
const ERROR: Style = AnsiColor::Red.on_default().bold();

/// Each payload's decision, and a summary where there are several.
pub fn render(payloads: &[Payload]) -> String {
    let mut out = String::new();
    for (n, payload) in payloads.iter().enumerate() {
        if n > 0 {
            out.push('\n');
        }
        match &payload.decided {
            Ok(decided) => push_decision(&mut out, &payload.source, decided),
            Err(undecided) => {
                _ = writeln!(out, "{ERROR}✖ ERROR{ERROR:#}  not decided, so it does not proceed");
                _ = writeln!(out, "  {FAINT}{}{FAINT:#}", shown(&payload.source));
                _ = writeln!(out, "\n  {} {FAINT}({}){FAINT:#}", shown(&undecided.message), undecided.code);
            }
        }
    }
    if payloads.len() > 1 {
        _ = writeln!(out, "\n{HEADING}{}{HEADING:#}", summary(payloads));
    }
    out
}

/// `3 payloads: 1 allow, 2 deny`.
pub fn summary(payloads: &[Payload]) -> String {
    const LAPSED: &str = "no longer holding";
    const UNDECIDED: &str = "not decided";
    let name = |payload: &Payload| match &payload.decided {
        Ok(decided) if decided.standing == Standing::Lapsed => LAPSED,
        Ok(decided) => decided.view.outcome.as_str(),
        Err(_) => UNDECIDED,
    };
    let names = Outcome::ALL.into_iter().map(Outcome::as_str).chain([LAPSED, UNDECIDED]);
    let counts: Vec<String> = names
        .map(|counted| (counted, payloads.iter().filter(|payload| name(payload) == counted).count()))
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    let rehearsal = payloads.iter().filter_map(|payload| payload.decided.as_ref().ok());
    let rehearsal = rehearsal.into_iter().any(|decided| decided.standing == Standing::Rehearsal);
    let note = if rehearsal { " (DRY RUN: no permission)" } else { "" };
    format!("{}: {}{note}", counted(payloads.len(), "payload", "payloads"), counts.join(", "))
}

/// One decision, for people.
pub fn push_decision(out: &mut String, source: &str, decided: &Decided) {
    let decision = &decided.view;
    let outcome = decision.outcome;
    let style = words::style(outcome);
    let name = outcome.as_str().to_uppercase();
    let degraded = if decision.degraded { ", degraded" } else { "" };
    let symbol = words::symbol(outcome);
    let standing = words::standing(decided);
    if let Some((title, meaning)) = &standing {
        _ = writeln!(out, "{ERROR}✖ {title}{ERROR:#}  {meaning}");
    }
    match decided.standing {
        Standing::Lapsed => _ = writeln!(out, "  {FAINT}it was: {name}{degraded}{FAINT:#}"),
        _ => _ = writeln!(out, "{style}{symbol} {name}{style:#}  {}{degraded}", words::meaning(outcome)),
    }
    _ = writeln!(out, "  {}", decided.asked);
    if !source.is_empty() {
        _ = writeln!(out, "  {FAINT}{}{FAINT:#}", shown(source));
    }

    push_heading(out, "Why");
    for finding in &decision.findings {
        let style = words::style(finding.outcome);
        let symbol = words::symbol(finding.outcome);
        let alike = decision.findings.iter().filter(|other| {
            (&other.code, &other.message, &other.policy) == (&finding.code, &finding.message, &finding.policy)
        });
        // What tells findings apart that say the same.
        let wants = match &finding.requirement {
            Some(wants) if alike.count() > 1 => format!(" ({})", words::requirement(wants)),
            _ => String::new(),
        };
        _ = writeln!(out, "    {style}{symbol} {:<12}{style:#}{}{wants}", finding.outcome, shown(&finding.message));
        _ = writeln!(out, "                  {FAINT}{}{FAINT:#}", words::origin(finding));
    }
    push_list(out, "What would change it", words::changes(decision));
    push_list(
        out,
        "To be done when it goes on",
        decision
            .obligations
            .iter()
            .map(|obligation| {
                format!(
                    "{} {} (policy {})",
                    obligation.kind,
                    shown(&obligation.params.to_string()),
                    shown(&obligation.policy)
                )
            })
            .collect(),
    );
    push_list(out, "Degraded", words::degraded(decision));
    push_list(out, "Waivers", waivers(decision));

    push_heading(out, &words::evaluated(decision));
    let (skipped, ran): (Vec<_>, Vec<_>) =
        decision.policies.iter().partition(|policy| policy.said == PolicySaid::Skipped);
    let widest = |of: fn(&PolicyTrace<'_>) -> String| ran.iter().map(|one| of(one).chars().count()).max().unwrap_or(0);
    let widths =
        Widths { name: widest(name_of), module: widest(module_of), fuel: widest(fuel_of), time: widest(time_of) };
    for policy in &ran {
        push_policy(out, policy, &widths);
    }
    if !skipped.is_empty() {
        let names: Vec<String> = skipped.iter().map(|policy| shown(&policy.name)).collect();
        _ = writeln!(out, "    {FAINT}skipped, as their `when` does not match: {}{FAINT:#}", names.join(", "));
    }
    push_identity(out, decided);
}

/// How wide the columns are, in characters.
struct Widths {
    name: usize,
    module: usize,
    fuel: usize,
    time: usize,
}

fn name_of(policy: &PolicyTrace<'_>) -> String {
    shown(&policy.name)
}

fn module_of(policy: &PolicyTrace<'_>) -> String {
    policy.module_sha256.as_ref().map_or_else(|| "unreadable".to_owned(), Sha256::short)
}

fn fuel_of(policy: &PolicyTrace<'_>) -> String {
    policy.fuel.to_string()
}

fn time_of(policy: &PolicyTrace<'_>) -> String {
    policy.duration_us.unwrap_or_default().to_string()
}

fn push_policy(out: &mut String, policy: &PolicyTrace<'_>, widths: &Widths) {
    let (style, symbol) = match policy.counted_as {
        Some(outcome) => (words::style(outcome), words::symbol(outcome)),
        None => (FAINT, '·'),
    };
    let said = match (policy.said, policy.counted_as) {
        (PolicySaid::Fault, _) => policy.fault.as_ref().map_or("fault", |fault| &*fault.code).to_owned(),
        (PolicySaid::Outcome(said), Some(counted_as)) if said != counted_as => format!("{said} → {counted_as}"),
        (said, _) => said.as_str().to_owned(),
    };
    let Widths { name, module, fuel, time } = widths;
    _ = write!(out, "    {style}{symbol} {:<name$}  {said:<18}{style:#} ", name_of(policy));
    _ = write!(out, "{FAINT}module {:<module$}", module_of(policy));
    _ = write!(out, "  {:>fuel$} fuel  {:>time$} µs", fuel_of(policy), time_of(policy));
    if policy.counted_as.is_some() && !policy.contributes {
        out.push_str("  does not decide");
    }
    _ = writeln!(out, "{FAINT:#}");
    if let Some(fault) = &policy.fault {
        let counts_as = policy.counted_as.unwrap_or(policy.enforce);
        _ = writeln!(out, "      {} {FAINT}(counts as {counts_as}){FAINT:#}", shown(&fault.detail));
    }
}

fn push_identity(out: &mut String, decided: &Decided) {
    let decision = &decided.view;
    let set = &decision.policy_set;
    _ = write!(out, "\n  {FAINT}policy set {} {}", shown(&set.name), set.sha256.short());
    _ = write!(out, " · request {}", decision.request_sha256.short());
    let id = decision.id.map(|id| format!(" · decision {id}")).unwrap_or_default();
    let change = decision.correlation_id.as_deref().map(|id| format!(" · correlation id {}", shown(id)));
    _ = writeln!(out, "{id}{}{FAINT:#}", change.unwrap_or_default());
    let until = decision.valid_until.as_deref().map(|until| format!(" · holds until {}", shown(until)));
    _ = writeln!(out, "  {FAINT}decided at {}{}{FAINT:#}", shown(&decision.now), until.unwrap_or_default());
    match &decided.place {
        Place::Ledger { index } => _ = writeln!(out, "  {FAINT}recorded as event {index}{FAINT:#}"),
        Place::Repeated { index } => {
            _ = writeln!(out, "  {FAINT}the same request was decided before, under this key: event {index}{FAINT:#}");
        }
        Place::DryRun => _ = writeln!(out, "  {ERROR}DRY RUN{ERROR:#} not recorded: nothing may go on because of it"),
        Place::Nowhere { reason } => _ = writeln!(out, "  {ERROR}NOT RECORDED{ERROR:#} {}", shown(reason)),
    }
}

fn waivers(decision: &DecisionView<'_>) -> Vec<String> {
    let words = decision.waivers.iter().filter_map(|waiver| {
        let status = match waiver.status {
            WaiverStatus::Applied => "applied",
            WaiverStatus::Expired => "expired, so it was not applied",
            WaiverStatus::Unused => return None,
        };
        let (code, policy, owner) = (shown(&waiver.code), shown(&waiver.policy), shown(&waiver.owner));
        Some(format!("{code} of {policy}: {status} (until {}, owned by {owner})", waiver.until))
    });
    words.collect()
}

fn push_list(out: &mut String, heading: &str, items: Vec<String>) {
    if items.is_empty() {
        return;
    }
    push_heading(out, heading);
    for item in items {
        _ = writeln!(out, "    - {item}");
    }
}

fn push_heading(out: &mut String, heading: &str) {
    _ = writeln!(out, "\n  {HEADING}{heading}{HEADING:#}");
}
