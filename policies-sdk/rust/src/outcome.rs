//! Outcomes in settings: a field of type [`Outcome`] takes the outcome's name.

use crate::answer::OUTCOMES;
use crate::json::{FromJson, Reader};
use crate::schema::{Rope, Schema};
use crate::{Outcome, Value};

const EXPECTED: &str = r#"must be one of "deny", "escalate", "acknowledge", "defer", "warn", "allow""#;

impl Outcome {
    /// The outcome's name: `allow`, `warn`, `defer`, `acknowledge`, `escalate`, `deny`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Deny => "deny",
            Outcome::Escalate => "escalate",
            Outcome::Acknowledge => "acknowledge",
            Outcome::Defer => "defer",
            Outcome::Warn => "warn",
            Outcome::Allow => "allow",
        }
    }

    /// The outcome of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Outcome> {
        OUTCOMES.into_iter().find(|outcome| outcome.as_str() == name)
    }
}

impl FromJson for Outcome {
    const NAME: &'static str = "a string";

    fn read(reader: &mut Reader<'_>) -> Option<Outcome> {
        match Outcome::from_name(&reader.text()?) {
            Some(outcome) => Some(outcome),
            None => reader.problem(EXPECTED),
        }
    }

    fn from_value(value: Value) -> Result<Outcome, String> {
        match value {
            Value::Text(text) => Outcome::from_name(&text).ok_or_else(|| EXPECTED.to_owned()),
            other => Err(format!("must be a string, not {}", other.kind_name())),
        }
    }
}

impl Schema for Outcome {
    const MEMBERS: Rope =
        Rope::Text(r#""type":"string","enum":["allow","warn","defer","acknowledge","escalate","deny"]"#);
}
