//! Declarative rules from settings: a condition on fields of the request, and what follows where it holds.
//!
//! A field that is missing, null or of another type than the rule compares with leaves the rule open, which means
//! what the rule says (`missing`): a defer, a deny, or that it is passed over. It is never silently false.
//! Conditions are in Kleene's three-valued logic: an open part counts only where the other parts do not decide.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod pattern;
mod program;
mod settings;

use portcullis_policy::prelude::*;

use program::{Entry, Program, Reason, Run, Truth};
use settings::{Demand, Missing, Mode, Otherwise, Rule, Settings};

/// The settings, worked into a program.
struct Rules {
    /// The conditions, by priority. Apart from the rules: judging a request reads no more memory than it must.
    entries: Vec<Entry>,
    /// The rules in the same order, each with its code.
    rules: Vec<(Rule, String)>,
    program: Program,
    mode: Mode,
    otherwise: Otherwise,
}

#[policy(
    name = "sample.rules",
    summary = "Declarative rules from settings: a condition on fields of the request, and what follows.",
    codes(
        NO_RULE_MATCHES = "sample.rules.no-rule-matches": "None of the rules matches.",
        FIELD_MISSING = "sample.rules.field-missing": "A rule cannot be judged without a field that the request lacks.",
        FIELD_MALFORMED = "sample.rules.field-malformed": "A rule cannot be judged: a field has the wrong type.",
        _ = "sample.rules.*": "The rule of that name matches.",
    )
)]
fn evaluate(rules: &Rules, input: &Fields) -> Answer {
    let mut run = Run::new(&rules.program, input);
    let mut answer = Answer::from(Vec::new());
    for (n, entry) in rules.entries.iter().enumerate() {
        let truth = run.holds(*entry);
        if truth == Truth::No {
            continue;
        }
        let Some((rule, code)) = rules.rules.get(n) else { continue };
        let spoke = match truth {
            Truth::No => false,
            Truth::Yes => matched(rule, code, &mut answer),
            Truth::Open(_) => open(rules, rule, &run.open(*entry), &mut answer),
        };
        if spoke && rules.mode == Mode::First {
            break;
        }
    }
    if !answer.as_findings().is_empty() {
        return answer;
    }
    let message = "none of the rules matches";
    match rules.otherwise {
        Otherwise::Allow => Answer::from(allow(NO_RULE_MATCHES, message)),
        Otherwise::Abstain => abstain(),
        Otherwise::Deny => Answer::from(deny(NO_RULE_MATCHES, message)),
    }
}

fn matched(rule: &Rule, code: &str, answer: &mut Answer) -> bool {
    let finding = || say(rule.outcome, code, &rule.message);
    if rule.requirements.is_empty() {
        push(answer, finding());
    }
    for demand in &rule.requirements {
        push(
            answer,
            match demand {
                Demand::Acknowledge(statement) => finding().statement(statement),
                Demand::Provide(pointer) => finding().provide(pointer),
                Demand::Approve(approval) => {
                    let asks = finding().approve(approval.roles.clone(), approval.count);
                    match approval.within_minutes {
                        Some(minutes) => asks.within_minutes(minutes),
                        None => asks,
                    }
                }
            },
        );
    }
    for obligation in &rule.obligations {
        let params = obligation.params.entries().fold(Params::new(), |params, (key, value)| match value {
            Json::Integer(n) => params.integer(key, *n),
            Json::Boolean(flag) => params.flag(key, *flag),
            other => params.text(key, other.as_str().unwrap_or_default()),
        });
        *answer = std::mem::replace(answer, abstain()).oblige(&obligation.kind, params);
    }
    true
}

/// Whether the rule speaks: one finding for each field that leaves it open, unless another rule said so already.
fn open(rules: &Rules, rule: &Rule, fields: &[(usize, Reason)], answer: &mut Answer) -> bool {
    let outcome = match rule.missing {
        Missing::NoMatch => return false,
        Missing::Defer => Outcome::Defer,
        Missing::Deny => Outcome::Deny,
    };
    for (n, reason) in fields {
        let pointer = rules.program.pointers.get(*n).map_or("", String::as_str);
        let said = |finding: &Finding| finding.outcome == outcome && finding.at.as_deref() == Some(pointer);
        if answer.as_findings().iter().any(said) {
            continue;
        }
        let (code, what) = match reason {
            Reason::Missing => (FIELD_MISSING, "which the request does not carry"),
            Reason::WrongType => (FIELD_MALFORMED, "which has another type"),
        };
        let message = format!("the rule {} needs {pointer}, {what}", rule.name);
        push(answer, say(outcome, code, message).at(pointer).provide(pointer));
    }
    true
}

fn push(answer: &mut Answer, finding: Finding) {
    if let Verdict::Findings(findings) = &mut answer.verdict {
        findings.push(finding);
    }
}

impl Prepared for Rules {
    type Settings = Settings;

    fn prepare(settings: Settings) -> Result<Rules, Vec<Problem>> {
        let mut program = Program::default();
        let mut problems = Vec::new();
        let mut rules: Vec<(Entry, (Rule, String))> = Vec::with_capacity(settings.rules.len());
        for (n, rule) in settings.rules.into_iter().enumerate() {
            let code = rule.code.clone().unwrap_or_else(|| format!("sample.rules.{}", rule.name));
            match program.add(&rule.when, &format!("/rules/{n}/when")) {
                Ok(entry) => {
                    // After those of the same priority: written first, asked first.
                    let place = rules.partition_point(|(_, (other, _))| other.priority >= rule.priority);
                    rules.insert(place, (entry, (rule, code)));
                }
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let (entries, rules) = rules.into_iter().unzip();
        Ok(Rules { entries, rules, program, mode: settings.mode, otherwise: settings.otherwise })
    }
}

impl NamesInputs for Rules {
    fn input_pointers(&self) -> Vec<String> {
        self.program.pointers.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::Policy;

    #[test]
    fn cases() {
        portcullis_policy::test::cases::<Policy>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"));
    }
}
