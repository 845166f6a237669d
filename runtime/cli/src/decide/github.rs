//! Decisions as GitHub's
//! [workflow commands](https://docs.github.com/actions/reference/workflow-commands-for-github-actions): one annotation
//! for each finding that says more than allow; and as Markdown for the step's summary.

use std::fmt::Write as _;

use portcullis_gate::{DecisionFinding, Outcome};

use super::{Decided, Payload, Standing, human, words};
use crate::text::shown;

/// The workflow commands, one on each line.
pub fn render(payloads: &[Payload]) -> String {
    let mut out = String::new();
    for payload in payloads {
        match &payload.decided {
            Ok(decided) => push_decision(&mut out, &payload.source, decided),
            Err(undecided) => {
                let title = format!("not decided: {}", undecided.code);
                push_command(&mut out, "error", &payload.source, &title, &undecided.message);
            }
        }
    }
    out
}

/// The decisions as Markdown.
pub fn step_summary(payloads: &[Payload]) -> String {
    let mut out = format!("## Portcullis: {}\n", human::summary(payloads));
    for payload in payloads {
        let source = markdown(&payload.source);
        match &payload.decided {
            Ok(decided) => push_summary(&mut out, &source, decided),
            Err(undecided) => {
                _ = writeln!(out, "\n### ✖ not decided, so it does not proceed: {source}\n");
                _ = writeln!(out, "{} ({})", markdown(&undecided.message), undecided.code);
            }
        }
    }
    out
}

fn push_decision(out: &mut String, source: &str, decided: &Decided) {
    let decision = &decided.view;
    let mut annotated = decided.standing == Standing::Lapsed;
    if let Some((title, meaning)) = words::standing(decided) {
        let command = if annotated { "error" } else { "warning" };
        push_command(out, command, source, title, &format!("{meaning}\n{}", decided.asked));
    }
    for finding in decision.findings.iter().filter(|finding| finding.outcome != Outcome::Allow) {
        let command = if finding.outcome.proceeds() { "warning" } else { "error" };
        push_command(out, command, source, &format!("{}: {}", finding.outcome, finding.code), &message(finding));
        annotated = true;
    }
    if !annotated {
        let title = decision.outcome.as_str();
        let rehearsal = if decided.standing == Standing::Rehearsal { " (DRY RUN: no permission)" } else { "" };
        let meaning = words::meaning(decision.outcome);
        push_command(out, "notice", source, title, &format!("{meaning}{rehearsal}: {}", decided.asked));
    }
}

fn message(finding: &DecisionFinding<'_>) -> String {
    let change = match &finding.requirement {
        Some(requirement) => format!("\nWhat would change it: {}", words::requirement(requirement)),
        None => String::new(),
    };
    format!("{}{change}\n{}", finding.message, words::origin(finding))
}

fn push_command(out: &mut String, command: &str, source: &str, title: &str, message: &str) {
    _ = writeln!(out, "::{command} file={},title={}::{}", property(source), property(title), data(message));
}

fn push_summary(out: &mut String, source: &str, decided: &Decided) {
    let decision = &decided.view;
    let outcome = decision.outcome;
    let degraded = if decision.degraded { ", degraded" } else { "" };
    let standing = words::standing(decided);
    match (&standing, decided.standing) {
        (Some((title, meaning)), Standing::Lapsed) => {
            _ = writeln!(out, "\n### ✖ {title}: {source}\n");
            _ = writeln!(out, "{}: {}\n", markdown(&decided.asked), markdown(meaning));
        }
        (Some((title, meaning)), _) => {
            _ = writeln!(
                out,
                "\n### {title}: {} {outcome}: {source}\n\n**{title}**: {meaning}\n",
                words::symbol(outcome)
            );
            _ = writeln!(out, "{}: {}{degraded}\n", markdown(&decided.asked), words::meaning(outcome));
        }
        (None, _) => {
            _ = writeln!(out, "\n### {} {outcome}: {source}\n", words::symbol(outcome));
            _ = writeln!(out, "{}: {}{degraded}\n", markdown(&decided.asked), words::meaning(outcome));
        }
    }
    out.push_str("| outcome | why | code | policy |\n| --- | --- | --- | --- |\n");
    for finding in &decision.findings {
        _ = writeln!(
            out,
            "| {} {} | {} | {} | {} |",
            words::symbol(finding.outcome),
            finding.outcome,
            markdown(&finding.message),
            markdown(&finding.code),
            markdown(finding.policy.as_deref().unwrap_or_default())
        );
    }
    let changes = words::changes(decision);
    if !changes.is_empty() {
        out.push_str("\nWhat would change it:\n\n");
        for change in changes {
            _ = writeln!(out, "- {}", markdown(&change));
        }
    }
    for reason in words::degraded(decision) {
        _ = writeln!(out, "\nDegraded: {}", markdown(&reason));
    }
    _ = writeln!(
        out,
        "\n{}; policy set {} `{}`, request `{}`, decision `{}`",
        words::evaluated(decision),
        markdown(&decision.policy_set.name),
        decision.policy_set.sha256.short(),
        decision.request_sha256.short(),
        decision.id.map(|id| id.to_string()).unwrap_or_default()
    );
}

/// The message of a command: lines stay lines, nothing ends the command.
fn data(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(shown).collect();
    lines.join("\n").replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Text of others inside Markdown: every punctuation mark is escaped, so that none of it is markup.
fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in shown(text).chars() {
        if c.is_ascii_punctuation() {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_command_or_begins_another() {
        let mut out = String::new();
        push_command(
            &mut out,
            "error",
            "a,b:c%.json\n::error::x",
            "t,u:v\r\n::stop-commands::y",
            "1%\r\n::set-output name=a::b\u{1b}[2J",
        );
        assert_eq!(
            out,
            "::error file=a%2Cb%3Ac%25.json%0A%3A%3Aerror%3A%3Ax,title=t%2Cu%3Av%0A%3A%3Astop-commands%3A%3Ay::\
             1%25%0A::set-output name=a::b\\u{1b}[2J\n"
        );
        assert_eq!(out.lines().count(), 1);
    }

    #[test]
    fn nothing_in_a_summary_is_markup() {
        assert_eq!(markdown("<img> | [a](b)\n# *x* `y`"), r"\<img\> \| \[a\]\(b\)\\n\# \*x\* \`y\`");
    }
}
