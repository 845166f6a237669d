//! Plain matchers on request fields: whether a policy, a node or a waiver concerns a request.

use crate::document::{Pointer, Value};
use crate::request::Request;

/// Which requests a policy, a node or a waiver concerns: every field must match. Without fields: every request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// The fields, in the manifest's order.
    pub fields: Vec<Field>,
}

/// One field of a [`When`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Where in the request. Not the empty pointer.
    pub pointer: Pointer,
    /// The values, any of which matches. Not empty.
    pub any_of: Vec<Pattern>,
}

/// A value that a [`Field`] may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// This string.
    Text(String),
    /// A string that starts so. Written with a `*` at its end.
    Prefix(String),
    /// This number: `3` also matches a request's `3.0`.
    Integer(i64),
    /// This boolean.
    Boolean(bool),
}

/// What a matcher on a field that the request lacks does. A field that is null, an array or an object cannot be
/// compared, and counts as lacking: nobody leaves a policy aside by sending `null`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Absent {
    /// The field matches: the policy or node is evaluated.
    #[default]
    Match,
    /// The field does not match: the policy or node is skipped.
    Skip,
}

impl When {
    /// Whether every field matches.
    #[must_use]
    pub fn matches(&self, request: &Request, absent: Absent) -> bool {
        self.fields.iter().all(|field| field.matches(request, absent))
    }
}

impl Field {
    fn matches(&self, request: &Request, absent: Absent) -> bool {
        match request.scalar(&self.pointer) {
            None | Some(Value::Missing | Value::Null | Value::Json(_)) => absent == Absent::Match,
            Some(value @ (Value::Text(_) | Value::Integer(_) | Value::Number(_) | Value::Boolean(_))) => {
                self.any_of.iter().any(|pattern| pattern.matches(&value))
            }
        }
    }
}

impl Pattern {
    /// The pattern of a string in the manifest: a `*` at its end makes it a prefix.
    #[must_use]
    pub fn text(text: &str) -> Pattern {
        match text.strip_suffix('*') {
            Some(prefix) => Pattern::Prefix(prefix.into()),
            None => Pattern::Text(text.into()),
        }
    }

    fn matches(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Pattern::Text(expected), Value::Text(found)) => expected == found,
            (Pattern::Prefix(prefix), Value::Text(found)) => found.starts_with(prefix.as_str()),
            (Pattern::Integer(expected), Value::Integer(found)) => expected == found,
            (Pattern::Integer(expected), Value::Number(found)) => same_number(*expected, *found),
            (Pattern::Boolean(expected), Value::Boolean(found)) => expected == found,
            _ => false,
        }
    }
}

impl Absent {
    /// The name in the manifest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Absent::Match => "match",
            Absent::Skip => "skip",
        }
    }
}

/// The short names of fields in a manifest's `when`, and where they are in the request.
pub const FIELD_NAMES: [(&str, &str); 6] = [
    ("action", "/action/name"),
    ("resource-type", "/resource/type"),
    ("resource-id", "/resource/id"),
    ("subject-type", "/subject/type"),
    ("subject-id", "/subject/id"),
    ("environment", "/context/environment"),
];

/// Whether a finite double is exactly this integer.
fn same_number(integer: i64, number: f64) -> bool {
    // Documents hold doubles below 2^63 in magnitude, so the conversion of a whole one is exact.
    number.fract() == 0.0 && number as i64 == integer
}
