//! From the value of a rule to findings.

use portcullis_policy::prelude::*;
use regorus::Value as Rego;

use crate::settings::{Meaning, reason};
use crate::{CODES, NOT_ALLOWED, UNDECIDED};

/// A rule that is asked.
pub struct Asked {
    /// As the engine takes it: `data.deploy.deny`.
    pub path: String,
    /// What its value means.
    pub meaning: Meaning,
    /// The code of its findings that name none.
    pub code: String,
}

/// What the rules asked so far have said.
#[derive(Default)]
pub struct Said {
    pub findings: Vec<Finding>,
    /// A decision abstains.
    pub abstains: bool,
}

impl Said {
    /// Takes in the value of a rule.
    ///
    /// # Errors
    /// An object with members of the wrong type, or a decision without an outcome.
    pub fn add(&mut self, asked: &Asked, value: &Rego) -> Result<(), String> {
        match asked.meaning {
            Meaning::Allow => self.findings.push(permission(asked, value)),
            Meaning::Decision => {
                let before = self.findings.len();
                self.messages(asked, value)?;
                if self.findings.len() == before && !self.abstains {
                    let is = if *value == Rego::Undefined { "undefined".to_owned() } else { value.to_string() };
                    self.findings.push(deny(UNDECIDED, format!("{} is {is}, not a decision", asked.path)));
                }
            }
            _ => self.messages(asked, value)?,
        }
        Ok(())
    }

    fn messages(&mut self, asked: &Asked, value: &Rego) -> Result<(), String> {
        match value {
            Rego::Undefined | Rego::Bool(false) => Ok(()),
            Rego::Set(items) => items.iter().try_for_each(|item| self.message(asked, item)),
            Rego::Array(items) => items.iter().try_for_each(|item| self.message(asked, item)),
            one => self.message(asked, one),
        }
    }

    fn message(&mut self, asked: &Asked, value: &Rego) -> Result<(), String> {
        if self.findings.len() >= MAX_FINDINGS {
            return Err(format!("{} has more than {MAX_FINDINGS} messages", asked.path));
        }
        let outcome = match asked.meaning {
            Meaning::Warn => Some(Outcome::Warn),
            Meaning::Defer => Some(Outcome::Defer),
            Meaning::Acknowledge => Some(Outcome::Acknowledge),
            Meaning::Escalate => Some(Outcome::Escalate),
            Meaning::Deny => Some(Outcome::Deny),
            Meaning::Allow | Meaning::Decision => None,
        };
        let written = match value {
            Rego::Object(_) => Written::read(value).map_err(|problem| format!("{}: {problem}", asked.path))?,
            Rego::String(text) => Written { message: Some(text.to_string()), ..Written::default() },
            Rego::Bool(true) => Written { message: Some(format!("{} holds", asked.path)), ..Written::default() },
            // Not a message, but not nothing either.
            other => Written { message: Some(format!("{} has {other}", asked.path)), ..Written::default() },
        };
        if written.abstains && asked.meaning == Meaning::Decision {
            self.abstains = true;
            return Ok(());
        }
        let Some(outcome) = written.outcome.or(outcome) else {
            return Err(format!("{}: a decision is an object with the member `outcome`", asked.path));
        };
        let message = written.message.filter(|text| !text.trim().is_empty());
        let message = message.unwrap_or_else(|| format!("{} has {value}", asked.path));
        let code = written.code.filter(|code| !code.is_empty());
        let code = code.map_or_else(|| asked.code.clone(), |code| format!("{CODES}.{}", reason(&code)));
        let mut finding = say(outcome, code, message);
        finding.at = written.at;
        finding.requirement = written.requirement;
        self.findings.push(finding);
        Ok(())
    }
}

fn permission(asked: &Asked, value: &Rego) -> Finding {
    if *value == Rego::Bool(true) {
        return allow(&asked.code, format!("{} is true", asked.path));
    }
    let is = if *value == Rego::Undefined { "undefined".to_owned() } else { value.to_string() };
    deny(NOT_ALLOWED, format!("{} is {is}, not true", asked.path))
}

/// Most findings; the host takes no more either.
const MAX_FINDINGS: usize = 1000;

/// An object that a rule gives. Members that are not named here (Gatekeeper's `details`, say) are passed over.
#[derive(Default)]
struct Written {
    outcome: Option<Outcome>,
    abstains: bool,
    message: Option<String>,
    code: Option<String>,
    at: Option<String>,
    requirement: Option<Requirement>,
}

impl Written {
    fn read(value: &Rego) -> Result<Written, String> {
        let mut written = Written { code: text(value, "code")?, at: text(value, "at")?, ..Written::default() };
        written.message = match text(value, "msg")? {
            Some(message) => Some(message),
            None => text(value, "message")?,
        };
        match text(value, "outcome")?.as_deref() {
            None => {}
            Some("abstain") => written.abstains = true,
            Some(name) => {
                let outcome = Outcome::from_name(name);
                written.outcome = Some(outcome.ok_or_else(|| format!("{} is no outcome", quote(name)))?);
            }
        }
        written.requirement = requirement(value)?;
        Ok(written)
    }
}

fn requirement(value: &Rego) -> Result<Option<Requirement>, String> {
    if let Some(approve) = member(value, "approve")? {
        let mut roles = Vec::new();
        match member(approve, "roles")? {
            Some(Rego::Array(items)) => {
                for item in items.iter() {
                    roles.push(item.as_string().map_err(|_| "a role is no string")?.to_string());
                }
            }
            Some(Rego::Set(items)) => {
                for item in items.iter() {
                    roles.push(item.as_string().map_err(|_| "a role is no string")?.to_string());
                }
            }
            _ => return Err("`approve` needs `roles`, a list of strings".into()),
        }
        let number = |name: &str| match member(approve, name)? {
            None => Ok(None),
            Some(value) => value.as_u32().map(Some).map_err(|_| format!("`approve` has a `{name}` that is no number")),
        };
        let finding = deny("", "").approve(roles, number("count")?.unwrap_or(1));
        let finding = match number("within_minutes")? {
            Some(minutes) => finding.within_minutes(minutes),
            None => finding,
        };
        return Ok(finding.requirement);
    }
    Ok(match (text(value, "statement")?, text(value, "provide")?, text(value, "wait_until")?) {
        (Some(statement), _, _) => Some(Requirement::Acknowledge(statement)),
        (None, Some(pointer), _) => Some(Requirement::Provide(pointer)),
        (None, None, Some(time)) => Some(Requirement::WaitUntil(time)),
        (None, None, None) => None,
    })
}

fn member<'a>(value: &'a Rego, name: &str) -> Result<Option<&'a Rego>, String> {
    let members = value.as_object().map_err(|_| format!("expected an object around `{name}`"))?;
    Ok(members.get(&Rego::from(name)))
}

fn text(value: &Rego, name: &str) -> Result<Option<String>, String> {
    match member(value, name)? {
        None => Ok(None),
        Some(Rego::String(text)) => Ok(Some(text.to_string())),
        Some(other) => Err(format!("`{name}` is {other}, not a string")),
    }
}
