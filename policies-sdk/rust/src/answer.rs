use std::fmt::Write as _;

use crate::text::{cut, push_quoted};
use crate::{Answer, Approval, Finding, Obligation, Outcome, Problem, Requirement, Verdict};

/// Nothing stands in the way.
#[must_use]
pub fn allow(code: impl Into<String>, message: impl Into<String>) -> Finding {
    finding(Outcome::Allow, code.into(), message.into())
}

/// May go on; the warning is recorded and shown.
#[must_use]
pub fn warn(code: impl Into<String>, message: impl Into<String>) -> Finding {
    finding(Outcome::Warn, code.into(), message.into())
}

/// Not now: something is missing, or the time is wrong. Say what with [`Finding::provide`] or
/// [`Finding::wait_until`].
#[must_use]
pub fn defer(code: impl Into<String>, message: impl Into<String>) -> Finding {
    finding(Outcome::Defer, code.into(), message.into())
}

/// The requester must take responsibility first. Say for what with [`Finding::statement`].
#[must_use]
pub fn acknowledge(code: impl Into<String>, message: impl Into<String>) -> Finding {
    finding(Outcome::Acknowledge, code.into(), message.into())
}

/// Someone must approve first. Say who with [`Finding::approve`].
#[must_use]
pub fn escalate(code: impl Into<String>, message: impl Into<String>) -> Finding {
    finding(Outcome::Escalate, code.into(), message.into())
}

/// Stop.
#[must_use]
pub fn deny(code: impl Into<String>, message: impl Into<String>) -> Finding {
    finding(Outcome::Deny, code.into(), message.into())
}

/// Not my business. A policy that abstains never lets a request go on.
#[must_use]
pub fn abstain() -> Answer {
    Answer { verdict: Verdict::Abstain, obligations: Vec::new() }
}

/// A finding of an outcome that is only known at run time, from the settings say.
#[must_use]
pub fn say(outcome: Outcome, code: impl Into<String>, message: impl Into<String>) -> Finding {
    finding(outcome, code.into(), message.into())
}

fn finding(outcome: Outcome, code: String, message: String) -> Finding {
    Finding { outcome, code, message: cut(message, MAX_TEXT_BYTES), at: None, requirement: None }
}

impl Finding {
    /// Names the request field that the finding is about, as a JSON pointer.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>) -> Finding {
        self.at = Some(pointer.into());
        self
    }

    /// Requires the request to carry a field: a JSON pointer.
    #[must_use]
    pub fn provide(self, pointer: impl Into<String>) -> Finding {
        self.require(Requirement::Provide(pointer.into()))
    }

    /// Requires `count` people to approve, each with at least one of `roles`. No roles, or a count of 0, is a fault.
    #[must_use]
    pub fn approve<R: Into<String>>(self, roles: impl IntoIterator<Item = R>, count: u32) -> Finding {
        let roles = roles.into_iter().map(Into::into).collect();
        self.require(Requirement::Approve(Approval { roles, count, within_minutes: None }))
    }

    /// Limits how long the approval asked for by [`Finding::approve`] stays open; without one it does nothing.
    #[must_use]
    pub fn within_minutes(mut self, minutes: u32) -> Finding {
        if let Some(Requirement::Approve(approval)) = &mut self.requirement {
            approval.within_minutes = Some(minutes);
        }
        self
    }

    /// Requires the requester to accept a statement.
    #[must_use]
    pub fn statement(self, statement: impl Into<String>) -> Finding {
        self.require(Requirement::Acknowledge(cut(statement.into(), MAX_TEXT_BYTES)))
    }

    /// Says when to ask again: RFC 3339.
    #[must_use]
    pub fn wait_until(self, time: impl Into<String>) -> Finding {
        self.require(Requirement::WaitUntil(time.into()))
    }

    /// Sets the requirement; a finding has one, the last counts.
    #[must_use]
    pub fn require(mut self, requirement: Requirement) -> Finding {
        self.requirement = Some(requirement);
        self
    }

    /// An answer of this finding, with an obligation.
    #[must_use]
    pub fn oblige(self, kind: impl Into<String>, params: impl Into<Params>) -> Answer {
        Answer::from(self).oblige(kind, params)
    }
}

impl Answer {
    /// An answer of these findings. No finding at all is a fault: see [`Answer::or`].
    #[must_use]
    pub fn findings(findings: Vec<Finding>) -> Answer {
        Answer { verdict: Verdict::Findings(findings), obligations: Vec::new() }
    }

    /// Says `finding` where the answer has none so far. An abstention stays one.
    #[must_use]
    pub fn or(mut self, finding: Finding) -> Answer {
        match &mut self.verdict {
            Verdict::Findings(findings) if findings.is_empty() => findings.push(finding),
            Verdict::Findings(_) | Verdict::Abstain => {}
        }
        self
    }

    /// Obliges the host to do something if it goes on: `notify`, `tag`, `review` ...
    #[must_use]
    pub fn oblige(mut self, kind: impl Into<String>, params: impl Into<Params>) -> Answer {
        self.obligations.push(Obligation { kind: kind.into(), params: params.into().into_text() });
        self
    }

    /// The strictest outcome among the findings; `None` for an abstention.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.as_findings().iter().map(|finding| finding.outcome).min_by_key(|outcome| *outcome as u8)
    }

    /// The codes of the findings, in order.
    #[must_use]
    pub fn codes(&self) -> Vec<&str> {
        self.as_findings().iter().map(|finding| &*finding.code).collect()
    }

    /// The findings; none for an abstention.
    #[must_use]
    pub fn as_findings(&self) -> &[Finding] {
        match &self.verdict {
            Verdict::Findings(findings) => findings,
            Verdict::Abstain => &[],
        }
    }
}

impl From<Finding> for Answer {
    fn from(finding: Finding) -> Answer {
        Answer::findings(vec![finding])
    }
}

impl From<Vec<Finding>> for Answer {
    fn from(findings: Vec<Finding>) -> Answer {
        Answer::findings(findings)
    }
}

/// What a policy's function may return: [`Answer`], [`Finding`], a list of findings, or a `Result` of them, whose error
/// is a fault.
pub trait IntoAnswer {
    /// The answer, or why the policy could not judge.
    ///
    /// # Errors
    /// Only what the policy's function returned as one.
    fn into_answer(self) -> Result<Answer, String>;
}

impl<T: Into<Answer>> IntoAnswer for T {
    fn into_answer(self) -> Result<Answer, String> {
        Ok(self.into())
    }
}

impl<T: Into<Answer>> IntoAnswer for Result<T, String> {
    fn into_answer(self) -> Result<Answer, String> {
        self.map(Into::into)
    }
}

/// Every outcome, from the strictest.
pub(crate) const OUTCOMES: [Outcome; 6] =
    [Outcome::Deny, Outcome::Escalate, Outcome::Acknowledge, Outcome::Defer, Outcome::Warn, Outcome::Allow];

impl Problem {
    /// A problem with the settings: where, as a JSON pointer into them, and what is wrong and how to mend it.
    #[must_use]
    pub fn new(at: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem { at: at.into(), message: message.into() }
    }
}

/// The parameters of an obligation: a JSON object.
#[derive(Clone, Debug, Default)]
pub struct Params {
    members: String,
}

impl Params {
    /// No parameters.
    #[must_use]
    pub fn new() -> Params {
        Params::default()
    }

    /// Adds a string.
    #[must_use]
    pub fn text(mut self, key: &str, value: impl AsRef<str>) -> Params {
        self.key(key);
        push_quoted(&mut self.members, value.as_ref());
        self
    }

    /// Adds an integer.
    #[must_use]
    pub fn integer(mut self, key: &str, value: impl Into<i64>) -> Params {
        self.key(key);
        // Writing to a String cannot fail.
        let _ = write!(self.members, "{}", value.into());
        self
    }

    /// Adds `true` or `false`.
    #[must_use]
    pub fn flag(mut self, key: &str, value: bool) -> Params {
        self.key(key);
        self.members.push_str(if value { "true" } else { "false" });
        self
    }

    /// Adds a value that is JSON text already; malformed text makes the answer a fault.
    #[must_use]
    pub fn json(mut self, key: &str, text: &str) -> Params {
        self.key(key);
        self.members.push_str(text);
        self
    }

    fn key(&mut self, key: &str) {
        if !self.members.is_empty() {
            self.members.push(',');
        }
        push_quoted(&mut self.members, key);
        self.members.push(':');
    }

    fn into_text(self) -> String {
        format!("{{{}}}", self.members)
    }
}

impl<K: AsRef<str>, V: AsRef<str>, const N: usize> From<[(K, V); N]> for Params {
    fn from(members: [(K, V); N]) -> Params {
        members.iter().fold(Params::new(), |params, (key, value)| params.text(key.as_ref(), value))
    }
}

/// Longest message and statement, in bytes; longer ones are cut.
pub(crate) const MAX_TEXT_BYTES: usize = 4096;
