//! The types of `wit/policy.wit` as wasmtime moves them. Private: what leaves this crate is in the gate's words.

use std::sync::Arc;

use portcullis_gate::{self as gate, Requirement, Verdict};
use wasmtime::component::{ComponentType, Lift, Lower};

use crate::text;

/// `value`, with text of type `S`: borrowed from the request on the way in, owned where an import answers.
#[derive(ComponentType, Lower)]
#[component(variant)]
pub(crate) enum Value<S> {
    #[component(name = "missing")]
    Missing,
    #[component(name = "null")]
    Null,
    #[component(name = "boolean")]
    Boolean(bool),
    #[component(name = "integer")]
    Integer(i64),
    #[component(name = "number")]
    Number(f64),
    #[component(name = "text")]
    Text(S),
    #[component(name = "json")]
    Json(Arc<str>),
}

impl<'a> From<gate::Value<'a>> for Value<&'a str> {
    fn from(value: gate::Value<'a>) -> Self {
        match value {
            gate::Value::Missing => Value::Missing,
            gate::Value::Null => Value::Null,
            gate::Value::Boolean(value) => Value::Boolean(value),
            gate::Value::Integer(value) => Value::Integer(value),
            gate::Value::Number(value) => Value::Number(value),
            gate::Value::Text(value) => Value::Text(value),
            gate::Value::Json(value) => Value::Json(value),
        }
    }
}

impl Value<&str> {
    /// The same value with text of its own.
    pub(crate) fn into_owned(self) -> Value<String> {
        match self {
            Value::Missing => Value::Missing,
            Value::Null => Value::Null,
            Value::Boolean(value) => Value::Boolean(value),
            Value::Integer(value) => Value::Integer(value),
            Value::Number(value) => Value::Number(value),
            Value::Text(value) => Value::Text(value.to_owned()),
            Value::Json(value) => Value::Json(value),
        }
    }

    /// Bytes of text that a guest receives.
    pub(crate) fn text_bytes(&self) -> usize {
        match self {
            Value::Text(text) => text.len(),
            Value::Json(text) => text.len(),
            _ => 0,
        }
    }
}

/// What a policy asks of the ledger's history.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct HistoryQuery {
    action: Option<String>,
    #[component(name = "resource-type")]
    resource_type: Option<String>,
    #[component(name = "resource-id")]
    resource_id: Option<String>,
    outcomes: Vec<Outcome>,
    #[component(name = "within-minutes")]
    within_minutes: u32,
}

impl HistoryQuery {
    /// Bytes that the guest passes.
    pub(crate) fn bytes(&self) -> usize {
        let texts = [&self.action, &self.resource_type, &self.resource_id];
        texts.into_iter().flatten().map(String::len).sum::<usize>().saturating_add(self.outcomes.len())
    }

    /// The question in the gate's words; its window ends at the request's `now`.
    pub(crate) fn into_gate(self, request: &gate::Request) -> gate::HistoryQuery {
        gate::HistoryQuery {
            action: self.action,
            resource_type: self.resource_type,
            resource_id: self.resource_id,
            outcomes: self.outcomes.into_iter().map(gate::Outcome::from).collect(),
            within_minutes: self.within_minutes,
            until: request.now(),
        }
    }
}

/// What a policy is answered.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct HistoryAnswer {
    count: u64,
    oldest: Option<String>,
    latest: Option<String>,
}

impl From<&gate::HistoryAnswer> for HistoryAnswer {
    fn from(answer: &gate::HistoryAnswer) -> Self {
        let (oldest, latest) = answer.texts();
        HistoryAnswer { count: answer.count, oldest, latest }
    }
}

impl HistoryAnswer {
    /// Bytes of text that the guest receives.
    pub(crate) fn text_bytes(&self) -> usize {
        [&self.oldest, &self.latest].into_iter().flatten().map(String::len).sum()
    }
}

/// In the contract's order: zero is `deny`.
#[derive(ComponentType, Lift, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "lifting makes the variants from their numbers")]
pub(crate) enum Outcome {
    #[component(name = "deny")]
    Deny,
    #[component(name = "escalate")]
    Escalate,
    #[component(name = "acknowledge")]
    Acknowledge,
    #[component(name = "defer")]
    Defer,
    #[component(name = "warn")]
    Warn,
    #[component(name = "allow")]
    Allow,
}

impl From<Outcome> for gate::Outcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Deny => gate::Outcome::Deny,
            Outcome::Escalate => gate::Outcome::Escalate,
            Outcome::Acknowledge => gate::Outcome::Acknowledge,
            Outcome::Defer => gate::Outcome::Defer,
            Outcome::Warn => gate::Outcome::Warn,
            Outcome::Allow => gate::Outcome::Allow,
        }
    }
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Approval {
    roles: Vec<String>,
    count: u32,
    #[component(name = "within-minutes")]
    within_minutes: Option<u32>,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum WitRequirement {
    #[component(name = "acknowledge")]
    Acknowledge(String),
    #[component(name = "approve")]
    Approve(Approval),
    #[component(name = "provide")]
    Provide(String),
    #[component(name = "wait-until")]
    WaitUntil(String),
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Finding {
    outcome: Outcome,
    code: String,
    message: String,
    at: Option<String>,
    requirement: Option<WitRequirement>,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum WitVerdict {
    #[component(name = "abstain")]
    Abstain,
    #[component(name = "findings")]
    Findings(Vec<Finding>),
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Obligation {
    kind: String,
    params: String,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Answer {
    verdict: WitVerdict,
    obligations: Vec<Obligation>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Problem {
    pub(crate) at: String,
    pub(crate) message: String,
}

impl Answer {
    /// The answer in the gate's words, checked against everything that the contract says and types cannot.
    pub(crate) fn into_gate(self) -> Result<gate::Answer, String> {
        let verdict = match self.verdict {
            WitVerdict::Abstain => Verdict::Abstain,
            WitVerdict::Findings(findings) => Verdict::Findings(findings.into_iter().map(Finding::into_gate).collect()),
        };
        let obligations = self.obligations.into_iter().map(Obligation::into_gate).collect::<Result<_, _>>()?;
        let answer = gate::Answer { verdict, obligations };
        answer.check()?;
        Ok(shown(answer))
    }
}

/// The answer with the text that people will read escaped, so that no record and no terminal ever holds a guest's
/// control characters. Comes after the check: escapes lengthen text.
fn shown(mut answer: gate::Answer) -> gate::Answer {
    if let Verdict::Findings(findings) = &mut answer.verdict {
        for finding in findings {
            text::escape(&mut finding.message);
            match &mut finding.requirement {
                Some(Requirement::Acknowledge { statement }) => text::escape(statement),
                Some(Requirement::Approve { roles, .. }) => roles.iter_mut().for_each(text::escape),
                Some(Requirement::Provide { .. } | Requirement::WaitUntil { .. }) | None => {}
            }
        }
    }
    answer
}

impl Finding {
    fn into_gate(self) -> gate::Finding {
        gate::Finding {
            outcome: self.outcome.into(),
            code: self.code,
            message: self.message,
            at: self.at,
            requirement: self.requirement.map(|requirement| match requirement {
                WitRequirement::Acknowledge(statement) => Requirement::Acknowledge { statement },
                WitRequirement::Approve(Approval { roles, count, within_minutes }) => {
                    Requirement::Approve { roles, count, within_minutes }
                }
                WitRequirement::Provide(pointer) => Requirement::Provide { pointer },
                WitRequirement::WaitUntil(time) => Requirement::WaitUntil { time },
            }),
        }
    }
}

impl Obligation {
    fn into_gate(self) -> Result<gate::Obligation, String> {
        if self.params.len() > gate::MAX_TEXT_BYTES {
            return Err(format!("the params of an obligation are longer than {} bytes", gate::MAX_TEXT_BYTES));
        }
        // The strict parser, so that an obligation has one reading for everyone who carries it out.
        gate::Document::parse(self.params.as_bytes())
            .map_err(|error| format!("the params of an obligation are not JSON: {error}"))?;
        let params = serde_json::from_str(&self.params).map_err(|error| error.to_string())?;
        Ok(gate::Obligation { kind: self.kind, params })
    }
}
