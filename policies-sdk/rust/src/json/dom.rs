use super::read::{from_text, wrong};
use super::{FromJson, Kind, Reader};
use crate::Value;

/// A JSON value of any shape. Objects keep the order of the text.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A number without fraction and exponent.
    Integer(i64),
    /// Any other number.
    Number(Number),
    /// A string.
    Text(String),
    /// An array.
    Array(Vec<Json>),
    /// An object.
    Object(Vec<(String, Json)>),
}

/// A number with fraction or exponent. Kept as it was written: what reads decimal fractions is a third of a small
/// policy, which only those should carry that ask for [`Number::value`].
#[derive(Clone, Debug, PartialEq)]
pub struct Number(Digits);

#[derive(Clone, Debug, PartialEq)]
enum Digits {
    /// From JSON text.
    Text(Box<str>),
    /// From a request field that is a number itself.
    Value(f64),
}

impl Number {
    /// The number; `None` if it is too large.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        match &self.0 {
            Digits::Text(text) => text.parse().ok().filter(|value: &f64| value.is_finite()),
            Digits::Value(value) => Some(*value),
        }
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Number {
        Number(Digits::Value(value))
    }
}

impl Json {
    /// Parses a JSON text.
    ///
    /// # Errors
    /// What is wrong and where.
    pub fn parse(text: &str) -> Result<Json, String> {
        from_text(text)
    }

    /// The member of an object.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Json> {
        self.entries().find_map(|(name, value)| (name == key).then_some(value))
    }

    /// The value at a JSON pointer (RFC 6901); the empty pointer is the value itself.
    #[must_use]
    pub fn pointer(&self, pointer: &str) -> Option<&Json> {
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return None;
        }
        pointer.split('/').skip(1).try_fold(self, |value, segment| match value {
            Json::Array(items) => {
                let leading_zero = segment.len() > 1 && segment.starts_with('0');
                let digits = !leading_zero && segment.bytes().all(|byte| byte.is_ascii_digit());
                items.get(segment.parse::<usize>().ok().filter(|_| digits)?)
            }
            _ => value.entries().find_map(|(key, member)| is_segment(segment, key).then_some(member)),
        })
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    /// An integer.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Json::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// Any number.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Json::Number(number) => number.value(),
            #[expect(
                clippy::cast_precision_loss,
                reason = "what JSON readers do with an integer where a number is due"
            )]
            Json::Integer(value) => Some(*value as f64),
            _ => None,
        }
    }

    /// `true` or `false`.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Json::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    /// The items of an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Json]> {
        match self {
            Json::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The members of an object.
    #[must_use]
    pub fn as_object(&self) -> Option<&[(String, Json)]> {
        match self {
            Json::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Whether this is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Json::Null)
    }

    /// The members of an object; none for anything else.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.as_object().unwrap_or(&[]).iter().map(|(key, value)| (&**key, value))
    }

    /// What kind of value this is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Json::Null => Kind::Null,
            Json::Boolean(_) => Kind::Boolean,
            Json::Integer(_) => Kind::Integer,
            Json::Number(_) => Kind::Number,
            Json::Text(_) => Kind::Text,
            Json::Array(_) => Kind::Array,
            Json::Object(_) => Kind::Object,
        }
    }

    /// Appends the value as compact JSON text.
    pub fn write(&self, text: &mut String) {
        match self {
            Json::Null => text.push_str("null"),
            Json::Boolean(value) => text.push_str(if *value { "true" } else { "false" }),
            Json::Integer(value) => text.push_str(&value.to_string()),
            Json::Number(Number(Digits::Text(digits))) => text.push_str(digits),
            // Debug keeps the fraction, so that a number stays a number: 1.0, not 1.
            Json::Number(Number(Digits::Value(value))) => text.push_str(&format!("{value:?}")),
            Json::Text(value) => crate::text::push_quoted(text, value),
            Json::Array(items) => {
                text.push('[');
                for (n, item) in items.iter().enumerate() {
                    if n > 0 {
                        text.push(',');
                    }
                    item.write(text);
                }
                text.push(']');
            }
            Json::Object(members) => {
                text.push('{');
                for (n, (key, value)) in members.iter().enumerate() {
                    if n > 0 {
                        text.push(',');
                    }
                    crate::text::push_quoted(text, key);
                    text.push(':');
                    value.write(text);
                }
                text.push('}');
            }
        }
    }
}

/// Compact JSON text.
impl std::fmt::Display for Json {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        self.write(&mut text);
        f.write_str(&text)
    }
}

impl FromJson for Json {
    const NAME: &'static str = "a value";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(match reader.peek()? {
            Kind::Null => {
                reader.null();
                Json::Null
            }
            Kind::Boolean => Json::Boolean(reader.boolean()?),
            Kind::Integer => Json::Integer(reader.integer()?),
            Kind::Number => Json::Number(Number(Digits::Text(reader.number_text(true)?.into()))),
            Kind::Text => Json::Text(reader.text()?.into_owned()),
            Kind::Array => Json::Array(Vec::read(reader)?),
            Kind::Object => Json::Object(read_members(reader)?),
        })
    }

    fn from_value(value: Value) -> Result<Self, String> {
        Ok(match value {
            Value::Null => Json::Null,
            Value::Boolean(value) => Json::Boolean(value),
            Value::Integer(value) => Json::Integer(value),
            Value::Number(value) => Json::Number(Number(Digits::Value(value))),
            Value::Text(value) => Json::Text(value),
            Value::Json(text) => return from_text(&text),
            Value::Missing => return Err(wrong(Self::NAME, &Value::Missing)),
        })
    }
}

fn read_members(reader: &mut Reader<'_>) -> Option<Vec<(String, Json)>> {
    reader.begin_object()?;
    let mut members: Vec<(String, Json)> = Vec::new();
    let mut complete = true;
    while let Some(key) = reader.next_key() {
        // Reading a request field the host has refused duplicates; for settings and tests a few comparisons do.
        if members.len() < MAX_COMPARED && members.iter().any(|(name, _)| *name == key) {
            reader.problem::<()>("appears twice");
            complete = false;
        }
        match Json::read(reader) {
            Some(value) => members.push((key.into_owned(), value)),
            None => complete = false,
        }
    }
    complete.then_some(members)
}

/// Objects with more members than this are not searched for duplicate keys.
const MAX_COMPARED: usize = 64;

/// Whether a segment of a JSON pointer, in which `~` is written `~0` and `/` `~1`, names `key`.
fn is_segment(segment: &str, key: &str) -> bool {
    let mut written = segment.bytes();
    for byte in key.bytes() {
        let same = match byte {
            b'~' => written.next() == Some(b'~') && written.next() == Some(b'0'),
            b'/' => written.next() == Some(b'~') && written.next() == Some(b'1'),
            other => written.next() == Some(other),
        };
        if !same {
            return false;
        }
    }
    written.next().is_none()
}
