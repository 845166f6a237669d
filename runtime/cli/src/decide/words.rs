//! A decision in plain words.

use anstyle::{AnsiColor, Style};
use portcullis::Place;
use portcullis_gate::{DecisionFinding, DecisionView, Fault, Outcome, Pointer, Request, Requirement};

use super::{Decided, Standing};
use crate::text::{counted, shown};

/// A symbol for each outcome; never the only thing that tells them apart.
pub const fn symbol(outcome: Outcome) -> char {
    match outcome {
        Outcome::Allow => '✔',
        Outcome::Warn => '▲',
        Outcome::Defer => '◷',
        Outcome::Acknowledge => '◆',
        Outcome::Escalate => '⇧',
        Outcome::Deny => '✖',
    }
}

/// The colour of an outcome.
pub const fn style(outcome: Outcome) -> Style {
    let color = match outcome {
        Outcome::Allow => AnsiColor::Green,
        Outcome::Warn => AnsiColor::Yellow,
        Outcome::Defer => AnsiColor::Cyan,
        Outcome::Acknowledge => AnsiColor::Blue,
        Outcome::Escalate => AnsiColor::Magenta,
        Outcome::Deny => AnsiColor::Red,
    };
    color.on_default().bold()
}

/// What an outcome means for whoever asked.
pub const fn meaning(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allow => "nothing stands in the way",
        Outcome::Warn => "may go on, with a warning",
        Outcome::Defer => "not now",
        Outcome::Acknowledge => "the requester must take responsibility first",
        Outcome::Escalate => "someone with authority must approve first",
        Outcome::Deny => "stopped",
    }
}

/// The first thing to know of a decision that gives no permission although its outcome may proceed; `None` of any other.
pub fn standing(decided: &Decided) -> Option<(&'static str, String)> {
    match (decided.standing, &decided.place) {
        (Standing::Rehearsal, _) => {
            Some(("DRY RUN", "a rehearsal: it is not recorded and gives no permission, so nothing may go on".into()))
        }
        (Standing::Lapsed, Place::Nowhere { reason }) => Some(("NOT RECORDED", shown(reason))),
        (Standing::Lapsed, _) => {
            let until = decided.view.valid_until.as_deref().map(shown).unwrap_or_default();
            let outcome = decided.view.outcome;
            Some((
                "HOLDS NO LONGER",
                format!("this {outcome} held until {until}: nothing may go on; ask with a new key"),
            ))
        }
        (Standing::Holds | Standing::Past, _) => None,
    }
}

/// Who wants to do what to what, where: `deploy service payment-api in production, asked by user alice`.
pub fn asked(request: &Request) -> String {
    let get = |at: &str| text(request, at);
    let environment = match get("/context/environment") {
        none if none.is_empty() => none,
        environment => format!(" in {environment}"),
    };
    format!(
        "{} {} {}{environment}, asked by {}",
        get("/action/name"),
        get("/resource/type"),
        get("/resource/id"),
        asker(request)
    )
}

/// Who asks: `user alice`.
pub fn asker(request: &Request) -> String {
    format!("{} {}", text(request, "/subject/type"), text(request, "/subject/id"))
}

fn text(request: &Request, at: &str) -> String {
    let text = Pointer::new(at).ok().and_then(|pointer| request.text(&pointer).map(shown));
    text.unwrap_or_default()
}

/// What would satisfy a requirement.
pub fn requirement(requirement: &Requirement) -> String {
    match requirement {
        Requirement::Acknowledge { statement } => format!("the requester accepts: {}", shown(statement)),
        Requirement::Approve { roles, count, within_minutes } => {
            let roles = roles.iter().map(|role| shown(role)).collect::<Vec<_>>().join(" or ");
            let people = match count {
                1 => "someone with the role".to_owned(),
                count => format!("{count} different people, each with the role"),
            };
            let within =
                within_minutes.map(|minutes| format!(" (within {})", counted(minutes as usize, "minute", "minutes")));
            format!("approval by {people} {roles}{}", within.unwrap_or_default())
        }
        Requirement::Provide { pointer } => format!("the request carries {}", shown(pointer)),
        Requirement::WaitUntil { time } => format!("ask again at {}", shown(time)),
    }
}

/// What would change a decision that does not proceed; empty where it proceeds.
pub fn changes(decision: &DecisionView<'_>) -> Vec<String> {
    if decision.outcome.proceeds() {
        return Vec::new();
    }
    let mut changes: Vec<String> = decision.requirements.iter().map(|open| requirement(open)).collect();
    let named = !changes.is_empty();
    let open = decision.findings.iter().filter(|finding| !finding.outcome.proceeds() && finding.requirement.is_none());
    let (failed, silent): (Vec<_>, Vec<_>) = open.partition(|finding| Fault::from_code(&finding.code).is_some());
    if !failed.is_empty() {
        let names: Vec<String> = failed.iter().filter_map(|finding| finding.policy.as_deref()).map(shown).collect();
        changes
            .push(format!("whoever runs the policies mends {}: it failed, whatever the request", names.join(" and ")));
    }
    if !silent.is_empty() {
        let findings = counted(silent.len(), "finding", "findings");
        changes.push(match named {
            true => format!("and for {findings} above nothing but a different request"),
            false => "nothing but a different request".into(),
        });
    }
    changes
}

/// What else to know of a finding: who said it, where, and how it was relaxed.
pub fn origin(finding: &DecisionFinding<'_>) -> String {
    let mut parts = vec![finding.code.to_string()];
    if let Some(policy) = &finding.policy {
        parts.push(format!("policy {}", shown(policy)));
    }
    if let Some(at) = &finding.at {
        parts.push(format!("at {}", if at.is_empty() { "the whole request".into() } else { shown(at) }));
    }
    match &finding.waived {
        Some(waived) => parts.push(format!(
            "said {}, waived until {} by {}: {}",
            finding.said,
            waived.until,
            shown(&waived.owner),
            shown(&waived.reason)
        )),
        None if finding.said != finding.outcome => {
            parts.push(format!("said {}, and may cause {} at most", finding.said, finding.outcome));
        }
        None => {}
    }
    parts.join(" · ")
}

/// Why a decision is degraded; empty where it is not.
pub fn degraded(decision: &DecisionView<'_>) -> Vec<String> {
    if !decision.degraded {
        return Vec::new();
    }
    let mut reasons = Vec::new();
    for policy in &decision.policies {
        if let (Some(fault), Some(counted_as)) = (&policy.fault, policy.counted_as)
            && counted_as < Outcome::Deny
        {
            reasons.push(format!("{} failed ({}) and counts as {counted_as} only", shown(&policy.name), fault.code));
        }
    }
    for waiver in &decision.waivers {
        if waiver.status == portcullis_gate::WaiverStatus::Applied {
            reasons.push(format!("a waiver for {} of {} applies", shown(&waiver.code), shown(&waiver.policy)));
        }
    }
    if reasons.is_empty() {
        reasons.push("a fault counts as less than deny, or a waiver applies".into());
    }
    reasons
}

/// `3 policies ran (1 abstained), 2 skipped`.
pub fn evaluated(decision: &DecisionView<'_>) -> String {
    let evaluated = decision.evaluated;
    let mut of_those = Vec::new();
    if evaluated.abstained > 0 {
        of_those.push(format!("{} abstained", evaluated.abstained));
    }
    if evaluated.faulted > 0 {
        of_those.push(format!("{} failed", evaluated.faulted));
    }
    let of_those = if of_those.is_empty() { String::new() } else { format!(" ({})", of_those.join(", ")) };
    format!("{} ran{of_those}, {} skipped", counted(evaluated.ran, "policy", "policies"), evaluated.skipped)
}
