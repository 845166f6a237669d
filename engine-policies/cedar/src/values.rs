//! Request values as Cedar's.
//!
//! Without a schema they are built as what they are, by Cedar's own core, straight from the request's JSON: Cedar's stable
//! interface makes an expression of each, parses the name `decimal` for every fraction, and evaluates them, which takes as
//! long as the policies do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use cedar_policy_core::ast::{Context, Entity, EntityUID, ExtensionFunction, PartialValue, Value as Cedar, ValueKind};
use cedar_policy_core::extensions::Extensions;
use portcullis_policy::FromJson;
use portcullis_policy::json::{Kind, Reader, read_text};
use portcullis_policy::prelude::*;
use smol_str::SmolStr;

use crate::request::Refusal;
use crate::settings::escaped;

/// A record of Cedar's; members that are null are left out.
#[derive(Default)]
pub struct Members(BTreeMap<SmolStr, Cedar>);

impl Members {
    /// # Errors
    /// The name is there already.
    pub fn insert(&mut self, name: &str, value: One) -> Result<(), Refusal> {
        match value.0.and_then(|value| self.0.insert(SmolStr::new(name), value)) {
            None => Ok(()),
            Some(_) => Err(Refusal::Fault(format!("the member {} is there twice", quote(name)))),
        }
    }

    pub fn into_context(self) -> Context {
        Context::Value(Arc::new(self.0))
    }

    pub fn into_entity(self, uid: EntityUID, parents: impl Iterator<Item = EntityUID>) -> Entity {
        let attributes = self.0.into_iter().map(|(name, value)| (name, PartialValue::Value(value)));
        Entity::new_with_attr_partial_value(uid, attributes, Default::default(), parents.collect(), [])
    }
}

/// One value of Cedar's; none for null.
pub struct One(Option<Cedar>);

impl FromJson for Members {
    const NAME: &'static str = "an object";

    fn read(reader: &mut Reader<'_>) -> Option<Members> {
        reader.begin_object()?;
        let (mut members, mut nulls, mut complete) = (BTreeMap::new(), BTreeSet::new(), true);
        while let Some(name) = reader.next_key() {
            let name = SmolStr::new(name);
            let Some(One(value)) = One::read(reader) else {
                complete = false;
                continue;
            };
            let known = nulls.contains(&name) || (value.is_none() && members.contains_key(&name));
            let replaced = match value {
                Some(value) => members.insert(name, value).is_some(),
                None => !nulls.insert(name),
            };
            if known || replaced {
                reader.problem::<()>("appears twice");
                complete = false;
            }
        }
        complete.then_some(Members(members))
    }
}

impl FromJson for One {
    const NAME: &'static str = "a value";

    fn read(reader: &mut Reader<'_>) -> Option<One> {
        Some(One(Some(match reader.peek()? {
            Kind::Null => {
                reader.null();
                return Some(One(None));
            }
            Kind::Boolean => reader.boolean()?.into(),
            Kind::Integer => reader.integer()?.into(),
            Kind::Number => match fraction(reader.raw()?) {
                Ok(value) => value,
                Err(message) => return reader.problem(&message),
            },
            Kind::Text => (&*reader.text()?).into(),
            Kind::Array => {
                let mut items = Some(Vec::new());
                reader.begin_array()?;
                while reader.next_item() {
                    match (One::read(reader), &mut items) {
                        (Some(One(Some(item))), Some(items)) => items.push(item),
                        (Some(One(None)), _) => items = reader.problem(NULL),
                        _ => items = None,
                    }
                }
                Cedar::set(items?, None)
            }
            Kind::Object => Cedar::new(ValueKind::Record(Arc::new(Members::read(reader)?.0)), None),
        })))
    }

    fn from_value(value: Value) -> Result<One, String> {
        Ok(One(match value {
            Value::Missing | Value::Null => None,
            Value::Boolean(value) => Some(value.into()),
            Value::Integer(value) => Some(value.into()),
            Value::Number(value) => Some(decimal(&Json::Number(value.into())).and_then(|text| decimal_value(&text))?),
            Value::Text(text) => Some(text.into()),
            Value::Json(text) => return read_text(&text),
        }))
    }
}

/// A number as it is written. One that a double holds digit by digit needs no double.
fn fraction(text: &str) -> Result<Cedar, String> {
    let is_plain = |(_, places): (&str, &str)| (1..=4).contains(&places.len()) && !places.contains(['e', 'E']);
    if text.len() <= f64::DIGITS as usize && text.split_once('.').is_some_and(is_plain) {
        return decimal_value(text);
    }
    decimal(&Json::parse(text)?).and_then(|text| decimal_value(&text))
}

/// The decimal of a text, by Cedar's own function, which is looked up once.
fn decimal_value(text: &str) -> Result<Cedar, String> {
    static DECIMAL: LazyLock<Option<&ExtensionFunction>> =
        LazyLock::new(|| Extensions::all_available().func(&"decimal".parse().ok()?).ok());
    let decimal = DECIMAL.ok_or("Cedar has no function decimal")?;
    let value = decimal.call(&[text.into()]).map_err(|error| error.to_string())?;
    Cedar::try_from(value).map_err(|error| error.to_string())
}

const NULL: &str = "a list holds null, which Cedar does not have";

/// The same as JSON, for a schema to give it types.
/// # Errors
/// A value that Cedar does not have, or a name that it reserves.
pub fn document(members: &[(String, Json)]) -> Result<serde_json::Value, Refusal> {
    let members = members.iter().filter(|(_, value)| *value != Json::Null);
    members
        .map(|(name, value)| {
            if name.starts_with("__") {
                return Err(Refusal::Fault(format!("the name {} is reserved by Cedar", quote(name))));
            }
            let value = typed(value).map_err(|refusal| refusal.within(&format!("/{}", escaped(name))))?;
            Ok((name.clone(), value))
        })
        .collect::<Result<serde_json::Map<_, _>, _>>()
        .map(serde_json::Value::Object)
}

fn typed(value: &Json) -> Result<serde_json::Value, Refusal> {
    Ok(match value {
        Json::Null => return Err(Refusal::Fault(NULL.into())),
        Json::Boolean(value) => serde_json::json!(value),
        Json::Integer(value) => serde_json::json!(value),
        Json::Number(_) => {
            serde_json::json!({"__extn": {"fn": "decimal", "arg": decimal(value).map_err(Refusal::Fault)?}})
        }
        Json::Text(text) => serde_json::json!(text),
        Json::Array(items) => {
            let items = items.iter().enumerate();
            let item = |(n, item)| typed(item).map_err(|refusal| refusal.within(&format!("/{n}")));
            items.map(item).collect::<Result<Vec<_>, _>>()?.into()
        }
        Json::Object(members) => document(members)?,
    })
}

/// A number as Cedar's `decimal` writes it: one to four places.
fn decimal(number: &Json) -> Result<String, String> {
    let refuse = || format!("{number} is no number that Cedar has: an integer, or up to four decimal places");
    let value = number.as_f64().ok_or_else(refuse)?;
    let text = format!("{value:?}");
    let places = text.split_once('.').map_or(0, |(_, places)| places.len());
    if (1..=4).contains(&places) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-')) {
        Ok(text)
    } else {
        Err(refuse())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_is_the_same_with_and_without_a_double() {
        for text in ["0.1", "-0.5", "12.5", "1.50", "0.0001", "-0.0", "9999999999.123", "1234567890.12"] {
            let by_double = decimal(&Json::parse(text).unwrap()).and_then(|text| decimal_value(&text)).ok().unwrap();
            assert_eq!(fraction(text).ok().unwrap(), by_double, "{text}");
        }
        // Exponents and many places go by a double; what Cedar cannot hold is refused either way.
        assert_eq!(fraction("1.25e2").ok().unwrap(), fraction("125.0").ok().unwrap());
        assert_eq!(fraction("1.00000").ok().unwrap(), fraction("1.0").ok().unwrap());
        for text in ["0.00001", "1e-5", "1e300", "12.34567", "922337203685477.5808", "1234567890123456.75"] {
            assert!(fraction(text).is_err(), "{text}");
        }
    }

    #[test]
    fn null_is_left_out_and_a_name_is_there_once() {
        let members = |text: &str| read_text::<Members>(text).map(|members| members.0.into_keys().collect::<Vec<_>>());
        assert_eq!(members(r#"{"a": null, "b": {"c": null, "d": [1, [true], {"e": "f"}]}}"#).unwrap(), ["b"]);
        for (text, says) in [
            (r#"{"a": {"b": 1, "b": 2}, "c": 1}"#, "/a/b appears twice"),
            (r#"{"b": null, "b": 2}"#, "/b appears twice"),
            (r#"{"b": 1, "b": null}"#, "/b appears twice"),
            (r#"{"b": null, "b": null}"#, "/b appears twice"),
            (r#"{"a": [1, [null]], "c": 1}"#, "/a/1/0 a list holds null, which Cedar does not have"),
            (r#"{"a": null, "b": [1e300, null]}"#, "/b/0 1e300 is no number that Cedar has"),
        ] {
            let said = members(text).unwrap_err();
            assert!(said.starts_with(says) && !said.contains("malformed"), "{said}");
        }
        assert!(members(r#"{"a": 1} x"#).is_err() && members("[1]").is_err() && members("{\"a\": 0.00001}").is_err());
    }
}
