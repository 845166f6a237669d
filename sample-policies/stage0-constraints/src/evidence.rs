use portcullis_policy::prelude::*;

use crate::{EVIDENCE_MALFORMED, EVIDENCE_MISSING};

/// A value of the request, with its name. What is absent or has the wrong type is a finding, never a default.
#[derive(Clone, Copy)]
pub struct Evidence<'a> {
    /// JSON pointer into the request.
    pub at: &'static str,
    pub value: &'a Value,
}

impl<'a> Evidence<'a> {
    pub fn new(at: &'static str, value: &'a Value) -> Evidence<'a> {
        Evidence { at, value }
    }

    /// A text with something in it. Spaces around it do not count.
    pub fn text(self, wanted_by: &str) -> Result<&'a str, Finding> {
        match self.value {
            Value::Text(text) if !text.trim().is_empty() => Ok(text.trim()),
            Value::Missing | Value::Null | Value::Text(_) => Err(self.missing(wanted_by)),
            _ => Err(self.malformed(wanted_by, "a text")),
        }
    }

    /// A number that counts something: finite and not below zero.
    #[expect(clippy::cast_precision_loss, reason = "compared with limits below 2^53")]
    pub fn count(self, wanted_by: &str) -> Result<f64, Finding> {
        match self.value {
            Value::Integer(n) if *n >= 0 => Ok(*n as f64),
            Value::Number(n) if n.is_finite() && *n >= 0.0 => Ok(*n),
            Value::Missing | Value::Null => Err(self.missing(wanted_by)),
            _ => Err(self.malformed(wanted_by, "a number that is not negative")),
        }
    }

    /// True or false.
    pub fn flag(self, wanted_by: &str) -> Result<bool, Finding> {
        match self.value {
            Value::Boolean(flag) => Ok(*flag),
            Value::Missing | Value::Null => Err(self.missing(wanted_by)),
            _ => Err(self.malformed(wanted_by, "true or false")),
        }
    }

    pub fn missing(self, wanted_by: &str) -> Finding {
        missing(self.at, wanted_by)
    }

    pub fn malformed(self, wanted_by: &str, shape: &str) -> Finding {
        defer(EVIDENCE_MALFORMED, format!("{wanted_by} needs {} to be {shape}", self.at)).at(self.at).provide(self.at)
    }
}

/// A value that a constraint needs and the request lacks.
pub fn missing(at: &'static str, wanted_by: &str) -> Finding {
    defer(EVIDENCE_MISSING, format!("{wanted_by} needs {at}, which the request does not carry")).at(at).provide(at)
}
