use std::rc::Rc;
use std::vec::IntoIter;

use crate::Value;
use crate::json::{FromJson, Kind, Reader};
use crate::schema::Rope;

/// The request fields that a policy reads. `#[derive(Inputs)]` implements it; [`Fields`] is the one whose fields the
/// settings name.
pub trait Inputs<S>: Sized {
    /// The pointers as a JSON list, or `"from-settings"`.
    const DECLARED: Rope;

    /// The pointers, in the order in which [`Inputs::read`] takes their values.
    fn pointers(settings: &S) -> Vec<String>;

    /// Takes the values.
    ///
    /// # Errors
    /// A field of another type than the policy reads, or one that it cannot do without.
    fn read(values: &mut Values) -> Result<Self, String>;
}

/// A policy's settings that say which request fields to read.
pub trait NamesInputs {
    /// JSON pointers into the request, 1,024 at most; the order is that of [`Fields`].
    fn input_pointers(&self) -> Vec<String>;
}

/// A policy that reads nothing of the request.
impl<S> Inputs<S> for () {
    const DECLARED: Rope = Rope::Text("[]");

    fn pointers(_: &S) -> Vec<String> {
        Vec::new()
    }

    fn read(_: &mut Values) -> Result<Self, String> {
        Ok(())
    }
}

/// The values of declared inputs, on their way into a policy's own type.
pub struct Values {
    values: IntoIter<Value>,
    pointers: Rc<[String]>,
}

impl Values {
    pub(crate) fn new(values: Vec<Value>, pointers: &Rc<[String]>) -> Values {
        Values { values: values.into_iter(), pointers: Rc::clone(pointers) }
    }

    /// The next value as a `T`.
    ///
    /// # Errors
    /// It is of another type, or missing where `T` cannot be.
    pub fn take<T: FromJson>(&mut self, pointer: &'static str) -> Result<T, String> {
        T::from_value(self.values.next().unwrap_or(Value::Missing)).map_err(|problem| explain(pointer, &problem))
    }

    /// All values that have not been taken.
    pub fn rest(&mut self) -> Fields {
        let values: Vec<Value> = self.values.by_ref().collect();
        let first = self.pointers.len().saturating_sub(values.len());
        Fields { values, first, pointers: Rc::clone(&self.pointers) }
    }
}

/// Request fields whose pointers the settings name, in the order of [`NamesInputs::input_pointers`].
#[derive(Clone, Debug)]
pub struct Fields {
    values: Vec<Value>,
    first: usize,
    pointers: Rc<[String]>,
}

impl Fields {
    /// The value of the nth pointer; [`Value::Missing`] beyond the last.
    #[must_use]
    pub fn get(&self, n: usize) -> &Value {
        self.values.get(n).unwrap_or(&Value::Missing)
    }

    /// The value of a pointer, as it was written; `None` if it was not named.
    #[must_use]
    pub fn at(&self, pointer: &str) -> Option<&Value> {
        self.iter().find_map(|(named, value)| (named == pointer).then_some(value))
    }

    /// Every pointer with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.pointers.iter().skip(self.first).map(|pointer| &**pointer).zip(&self.values)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

impl<S: NamesInputs> Inputs<S> for Fields {
    const DECLARED: Rope = Rope::Text(r#""from-settings""#);

    fn pointers(settings: &S) -> Vec<String> {
        settings.input_pointers()
    }

    fn read(values: &mut Values) -> Result<Self, String> {
        Ok(values.rest())
    }
}

/// A request field whose absence, null or wrong type the policy itself deals with.
#[derive(Clone, Debug, PartialEq)]
pub enum Field<T> {
    /// The request has no such field.
    Missing,
    /// It is `null`.
    Null,
    /// It is something else than a `T`: what is wrong with it.
    Wrong(String),
    /// Its value.
    Is(T),
}

impl<T> Field<T> {
    /// The value, where the field has one of the right type.
    #[must_use]
    pub fn known(&self) -> Option<&T> {
        match self {
            Field::Is(value) => Some(value),
            Field::Missing | Field::Null | Field::Wrong(_) => None,
        }
    }

    /// Whether the request has no such field; `false` for `null`.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Field::Missing)
    }
}

impl<T: FromJson> FromJson for Field<T> {
    const NAME: &'static str = T::NAME;

    /// Inside a JSON value only `null` and absence are kept apart; a wrong type is a problem of the whole value.
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        if reader.null() { Some(Field::Null) } else { T::read(reader).map(Field::Is) }
    }

    fn absent() -> Option<Self> {
        Some(Field::Missing)
    }

    fn from_value(value: Value) -> Result<Self, String> {
        Ok(match value {
            Value::Missing => Field::Missing,
            Value::Null => Field::Null,
            other => T::from_value(other).map_or_else(Field::Wrong, Field::Is),
        })
    }
}

impl Value {
    /// The value as a `T`.
    ///
    /// # Errors
    /// It is of another type, or missing where `T` cannot be.
    pub fn read<T: FromJson>(self) -> Result<T, String> {
        T::from_value(self)
    }

    /// Whether the request has no such field; `false` for `null`.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Value::Missing)
    }

    /// What kind of value this is, with its article: `a string`, `a list` ...
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self {
            Value::Missing => "missing",
            Value::Null => Kind::Null.name(),
            Value::Boolean(_) => Kind::Boolean.name(),
            Value::Integer(_) => Kind::Integer.name(),
            Value::Number(_) => Kind::Number.name(),
            Value::Text(_) => Kind::Text.name(),
            Value::Json(text) if text.trim_start().starts_with('[') => Kind::Array.name(),
            Value::Json(_) => Kind::Object.name(),
        }
    }
}

/// The value as it is, missing or not.
impl FromJson for Value {
    const NAME: &'static str = "a value";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(match reader.peek()? {
            Kind::Null => {
                reader.null();
                Value::Null
            }
            Kind::Boolean => Value::Boolean(reader.boolean()?),
            Kind::Integer => Value::Integer(reader.integer()?),
            Kind::Number => Value::Number(reader.number()?),
            Kind::Text => Value::Text(reader.text()?.into_owned()),
            Kind::Array | Kind::Object => Value::Json(reader.raw()?.into()),
        })
    }

    fn absent() -> Option<Self> {
        Some(Value::Missing)
    }

    fn from_value(value: Value) -> Result<Self, String> {
        Ok(value)
    }
}

pub(crate) fn explain(pointer: &str, problem: &str) -> String {
    let pointer = if pointer.is_empty() { "the request" } else { pointer };
    // Problems inside a JSON value start with their own pointer, which continues this one.
    let space = if problem.starts_with('/') { "" } else { " " };
    format!("{pointer}{space}{problem}")
}
