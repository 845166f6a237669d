//! What a policy says: findings, verdict, obligations; and what it says instead: a fault.

use serde::{Deserialize, Serialize};

use crate::{Fault, Outcome};

/// Longest finding code, in bytes.
pub const MAX_CODE_BYTES: usize = 128;
/// Longest finding message and obligation parameters, in bytes.
pub const MAX_TEXT_BYTES: usize = 4096;
/// Most findings and most obligations in one answer.
pub const MAX_FINDINGS: usize = 1024;
/// Most obligations in one answer.
pub const MAX_OBLIGATIONS: usize = 32;
/// Longest obligation kind, in bytes.
pub const MAX_KIND_BYTES: usize = 64;

/// One thing that a policy has to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What the policy wants to happen.
    pub outcome: Outcome,
    /// `team.policy.reason`: stable, for machines.
    pub code: String,
    /// For people.
    pub message: String,
    /// The request field that it is about, as a JSON pointer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What would change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<Requirement>,
}

/// What would change a finding.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Requirement {
    /// The requester must accept this statement.
    Acknowledge {
        /// What they take responsibility for.
        statement: String,
    },
    /// `count` different people, each with at least one of `roles`, must approve.
    Approve {
        /// Roles, any of which an approver must hold. Not empty.
        roles: Vec<String>,
        /// How many different people, at least 1.
        count: u32,
        /// How long the request for approval stays open, in minutes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within_minutes: Option<u32>,
    },
    /// The request must carry this field.
    Provide {
        /// JSON pointer into the request.
        pointer: String,
    },
    /// Ask again at this time.
    WaitUntil {
        /// RFC 3339.
        time: String,
    },
}

/// What the host must do if the decision proceeds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obligation {
    /// `notify`, `tag`, `review` ...
    pub kind: String,
    /// A JSON object.
    pub params: serde_json::Value,
}

/// What a policy thinks of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Not my business.
    Abstain,
    /// At least one finding; [`Answer::check`] refuses an empty list.
    Findings(Vec<Finding>),
}

/// A policy's well-formed answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What the policy thinks.
    pub verdict: Verdict,
    /// What the host must do if it goes on.
    pub obligations: Vec<Obligation>,
}

impl Answer {
    /// Checks what the types cannot say: at least one finding; codes, messages, pointers, requirements and
    /// obligations as the contract describes them. Whatever comes out of a module passes through here; a problem is
    /// [`Fault::Answer`].
    ///
    /// # Errors
    /// What is malformed, for the policy's author.
    pub fn check(&self) -> Result<(), String> {
        if let Verdict::Findings(findings) = &self.verdict {
            if findings.is_empty() {
                return Err("the list of findings is empty: an allow is said explicitly".into());
            }
            if findings.len() > MAX_FINDINGS {
                return Err(format!("{} findings, more than {MAX_FINDINGS}", findings.len()));
            }
            findings.iter().try_for_each(Finding::check)?;
        }
        if self.obligations.len() > MAX_OBLIGATIONS {
            return Err(format!("{} obligations, more than {MAX_OBLIGATIONS}", self.obligations.len()));
        }
        self.obligations.iter().try_for_each(Obligation::check)
    }
}

impl Finding {
    fn check(&self) -> Result<(), String> {
        if !is_policy_code(&self.code) {
            return Err(format!(
                "the code {:?} is not `team.policy.reason` (three or more segments of a-z 0-9 - _; the first not \
                 portcullis, fault or load)",
                truncated(&self.code)
            ));
        }
        if self.message.trim().is_empty() || self.message.len() > MAX_TEXT_BYTES {
            return Err(format!("{}: the message is empty or longer than {MAX_TEXT_BYTES} bytes", self.code));
        }
        if let Some(at) = &self.at {
            check_pointer(at).map_err(|problem| format!("{}: `at` {problem}", self.code))?;
        }
        match &self.requirement {
            None => Ok(()),
            Some(Requirement::Acknowledge { statement }) => check_text("the statement", statement),
            Some(Requirement::Approve { roles, count, .. }) => {
                if roles.is_empty() || roles.len() > MAX_OBLIGATIONS || *count == 0 {
                    return Err(format!("{}: an approval needs 1 to {MAX_OBLIGATIONS} roles and a count", self.code));
                }
                roles.iter().try_for_each(|role| check_text("a role", role))
            }
            Some(Requirement::Provide { pointer }) => {
                check_pointer(pointer).map_err(|problem| format!("{}: `provide` {problem}", self.code))
            }
            Some(Requirement::WaitUntil { time }) => match time.parse::<jiff::Timestamp>() {
                Ok(_) => Ok(()),
                Err(_) => Err(format!("{}: `wait-until` is not an RFC 3339 time: {:?}", self.code, truncated(time))),
            },
        }
    }
}

impl Obligation {
    fn check(&self) -> Result<(), String> {
        let kind_ok = (1..=MAX_KIND_BYTES).contains(&self.kind.len())
            && self.kind.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'));
        if !kind_ok {
            return Err(format!("the obligation kind {:?} is not 1 to 64 of a-z 0-9 - _ .", truncated(&self.kind)));
        }
        if self.params.is_object() { Ok(()) } else { Err(format!("{}: params is not a JSON object", self.kind)) }
    }
}

/// What happened when a policy was asked: its answer, or a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    /// A well-formed answer.
    Answer(Answer),
    /// Anything else.
    Fault(Faulted),
}

/// A fault, with what the operator needs to know about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Faulted {
    /// What kind.
    pub fault: Fault,
    /// For the operator and the policy's author; control characters are escaped. Never shown to callers of a server.
    pub detail: String,
}

/// Whether `code` is one that a policy may use: `team.policy.reason`.
#[must_use]
pub fn is_policy_code(code: &str) -> bool {
    let mut segments = 0usize;
    for (n, segment) in code.split('.').enumerate() {
        let well_formed =
            !segment.is_empty() && segment.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'));
        if !well_formed || (n == 0 && matches!(segment, "portcullis" | "fault" | "load")) {
            return false;
        }
        segments = n.saturating_add(1);
    }
    segments >= 3 && code.len() <= MAX_CODE_BYTES
}

fn check_text(what: &str, text: &str) -> Result<(), String> {
    if text.trim().is_empty() || text.len() > MAX_TEXT_BYTES {
        return Err(format!("{what} is empty or longer than {MAX_TEXT_BYTES} bytes"));
    }
    Ok(())
}

fn check_pointer(pointer: &str) -> Result<(), String> {
    crate::pointer::check(pointer).map_err(|problem| format!("is no JSON pointer: {problem}"))
}

fn truncated(text: &str) -> &str {
    match text.char_indices().nth(80) {
        Some((end, _)) => text.get(..end).unwrap_or(""),
        None => text,
    }
}
