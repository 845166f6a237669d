use std::collections::BTreeMap;

use super::Reader;
use crate::Value;

/// A type that can be read from JSON: a request field, a member of the settings or of a reference document.
///
/// `#[derive(FromJson)]` implements it for structs (members that the type does not name are ignored) and enums,
/// `#[derive(Settings)]` likewise but refusing unknown members.
pub trait FromJson: Sized {
    /// What a value of this type is called in messages: `a string`, `a list` ...
    const NAME: &'static str;

    /// Reads a value; `None` after recording what is wrong with it.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;

    /// What stands for a member that is not there; `None` makes its absence a problem.
    fn absent() -> Option<Self> {
        None
    }

    /// The type from the value of a request field.
    ///
    /// # Errors
    /// What is wrong, without the field's name. A value of another type is an error, never an absence.
    fn from_value(value: Value) -> Result<Self, String> {
        match value {
            Value::Json(text) => from_text(&text),
            other => Err(wrong(Self::NAME, &other)),
        }
    }
}

/// The kinds of JSON values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean,
    /// A number without fraction and exponent.
    Integer,
    /// Any other number.
    Number,
    /// A string.
    Text,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl Kind {
    /// With its article, for messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Boolean => "a boolean",
            Kind::Integer => "an integer",
            Kind::Number => "a number",
            Kind::Text => "a string",
            Kind::Array => "a list",
            Kind::Object => "an object",
        }
    }
}

/// A JSON value that is neither an array nor an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A number without fraction and exponent.
    Integer(i64),
    /// Any other number.
    Number(f64),
    /// A string.
    Text(String),
}

impl FromJson for Scalar {
    const NAME: &'static str = "a string, number, boolean or null";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(match reader.peek()? {
            Kind::Null => {
                reader.null();
                Scalar::Null
            }
            Kind::Boolean => Scalar::Boolean(reader.boolean()?),
            Kind::Integer => Scalar::Integer(reader.integer()?),
            Kind::Number => Scalar::Number(reader.number()?),
            Kind::Text => Scalar::Text(reader.text()?.into_owned()),
            kind @ (Kind::Array | Kind::Object) => {
                reader.problem::<()>(&format!("must be {}, not {}", Self::NAME, kind.name()));
                reader.skip();
                return None;
            }
        })
    }

    fn from_value(value: Value) -> Result<Self, String> {
        Ok(match value {
            Value::Null => Scalar::Null,
            Value::Boolean(value) => Scalar::Boolean(value),
            Value::Integer(value) => Scalar::Integer(value),
            Value::Number(value) => Scalar::Number(value),
            Value::Text(value) => Scalar::Text(value),
            other => return Err(wrong(Self::NAME, &other)),
        })
    }
}

impl FromJson for String {
    const NAME: &'static str = "a string";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(reader.text()?.into_owned())
    }

    fn from_value(value: Value) -> Result<Self, String> {
        match value {
            Value::Text(text) => Ok(text),
            other => Err(wrong(Self::NAME, &other)),
        }
    }
}

impl FromJson for bool {
    const NAME: &'static str = "true or false";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.boolean()
    }

    fn from_value(value: Value) -> Result<Self, String> {
        match value {
            Value::Boolean(value) => Ok(value),
            other => Err(wrong(Self::NAME, &other)),
        }
    }
}

impl FromJson for f64 {
    const NAME: &'static str = "a number";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.number()
    }

    fn from_value(value: Value) -> Result<Self, String> {
        match value {
            Value::Number(value) => Ok(value),
            #[expect(
                clippy::cast_precision_loss,
                reason = "what JSON readers do with an integer where a number is due"
            )]
            Value::Integer(value) => Ok(value as f64),
            other => Err(wrong(Self::NAME, &other)),
        }
    }
}

macro_rules! integers {
    ($($type:ty),*) => { $(
        impl FromJson for $type {
            const NAME: &'static str = "an integer";

            fn read(reader: &mut Reader<'_>) -> Option<Self> {
                match <$type>::try_from(reader.integer()?) {
                    Ok(value) => Some(value),
                    Err(_) => reader.problem(OUT_OF_RANGE),
                }
            }

            fn from_value(value: Value) -> Result<Self, String> {
                match value {
                    Value::Integer(value) => <$type>::try_from(value).map_err(|_| OUT_OF_RANGE.into()),
                    other => Err(wrong(Self::NAME, &other)),
                }
            }
        }
    )* };
}

integers!(i8, i16, i32, i64, u8, u16, u32, u64, usize);

impl<T: FromJson> FromJson for Option<T> {
    const NAME: &'static str = T::NAME;

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        if reader.null() { Some(None) } else { T::read(reader).map(Some) }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn from_value(value: Value) -> Result<Self, String> {
        match value {
            Value::Missing | Value::Null => Ok(None),
            other => T::from_value(other).map(Some),
        }
    }
}

impl<T: FromJson> FromJson for Box<T> {
    const NAME: &'static str = T::NAME;

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        T::read(reader).map(Box::new)
    }

    fn absent() -> Option<Self> {
        T::absent().map(Box::new)
    }

    fn from_value(value: Value) -> Result<Self, String> {
        T::from_value(value).map(Box::new)
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    const NAME: &'static str = "a list";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.begin_array()?;
        let mut items = Some(Vec::new());
        while reader.next_item() {
            match (T::read(reader), &mut items) {
                (Some(item), Some(items)) => items.push(item),
                _ => items = None,
            }
        }
        items
    }
}

impl<T: FromJson> FromJson for BTreeMap<String, T> {
    const NAME: &'static str = "an object";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.begin_object()?;
        let mut members = Some(BTreeMap::new());
        while let Some(key) = reader.next_key() {
            let value = T::read(reader);
            if members.as_ref().is_some_and(|members: &BTreeMap<String, T>| members.contains_key(&*key)) {
                reader.problem::<()>("appears twice");
            }
            match (value, &mut members) {
                (Some(value), Some(members)) => drop(members.insert(key.into_owned(), value)),
                _ => members = None,
            }
        }
        members
    }
}

/// What `#[setting(range = ..)]` compares. Exact up to 2^53.
#[doc(hidden)]
pub trait InRange {
    fn in_range(&self, min: Option<f64>, max: Option<f64>) -> bool;
}

impl InRange for f64 {
    fn in_range(&self, min: Option<f64>, max: Option<f64>) -> bool {
        min.is_none_or(|min| *self >= min) && max.is_none_or(|max| *self <= max)
    }
}

macro_rules! in_range {
    ($($type:ty),*) => { $(
        impl InRange for $type {
            #[allow(clippy::cast_lossless, clippy::cast_precision_loss, reason = "exact up to 2^53, as documented")]
            fn in_range(&self, min: Option<f64>, max: Option<f64>) -> bool {
                (*self as f64).in_range(min, max)
            }
        }
    )* };
}

in_range!(i8, i16, i32, i64, u8, u16, u32, u64, usize);

impl<T: InRange> InRange for Option<T> {
    fn in_range(&self, min: Option<f64>, max: Option<f64>) -> bool {
        self.as_ref().is_none_or(|value| value.in_range(min, max))
    }
}

/// What `#[setting(length = ..)]` measures: characters, items or members.
#[doc(hidden)]
pub trait Length {
    fn length(&self) -> Option<usize>;
}

impl Length for String {
    fn length(&self) -> Option<usize> {
        Some(self.chars().count())
    }
}

impl<T> Length for Vec<T> {
    fn length(&self) -> Option<usize> {
        Some(self.len())
    }
}

impl<T> Length for BTreeMap<String, T> {
    fn length(&self) -> Option<usize> {
        Some(self.len())
    }
}

impl<T: Length> Length for Option<T> {
    fn length(&self) -> Option<usize> {
        self.as_ref().and_then(Length::length)
    }
}

const OUT_OF_RANGE: &str = "is out of range";

/// Reads a whole text; all problems in one message.
pub fn from_text<T: FromJson>(text: &str) -> Result<T, String> {
    Reader::read_all(text).map_err(|problems| {
        let mut message = String::new();
        for problem in problems.iter().take(MAX_TOLD) {
            if !message.is_empty() {
                message.push_str("; ");
            }
            if !problem.at.is_empty() {
                message.push_str(&problem.at);
                message.push(' ');
            }
            message.push_str(&problem.message);
        }
        message
    })
}

/// How many problems of one request field are told.
const MAX_TOLD: usize = 5;

pub(crate) fn wrong(expected: &str, found: &Value) -> String {
    match found {
        Value::Missing => "is missing".into(),
        other => format!("must be {expected}, not {}", other.kind_name()),
    }
}
