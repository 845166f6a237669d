//! Request values as Cedar's.
//!
//! Without a schema they are built as what they are, by Cedar's own core: its stable interface makes an expression of each,
//! parses the name `decimal` for every fraction, and evaluates them, which takes as long as the policies do.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy_core::ast::{Context, Entity, EntityUID, Name, PartialValue, Value, ValueKind};
use cedar_policy_core::extensions::Extensions;
use portcullis_policy::prelude::*;
use smol_str::SmolStr;

use crate::request::Refusal;

/// Builds values; holds what is parsed once.
pub struct Values {
    decimal: Name,
}

type Members = BTreeMap<SmolStr, Value>;

impl Values {
    /// # Errors
    /// Cedar does not know its own decimals.
    pub fn new() -> Result<Values, String> {
        let decimal: Name = "decimal".parse().map_err(|_| "decimal is no name in Cedar".to_owned())?;
        Ok(Values { decimal })
    }

    /// # Errors
    /// A value that Cedar does not have.
    pub fn context(&self, members: &[(String, Json)]) -> Result<Context, Refusal> {
        self.record(members).map(|members| Context::Value(Arc::new(members)))
    }

    /// # Errors
    /// A value that Cedar does not have.
    pub fn entity(
        &self,
        uid: EntityUID,
        attributes: &[(String, Json)],
        parents: impl Iterator<Item = EntityUID>,
    ) -> Result<Entity, Refusal> {
        let attributes = self.record(attributes)?.into_iter().map(|(name, value)| (name, PartialValue::Value(value)));
        let (ancestors, parents) = (Default::default(), parents.collect());
        Ok(Entity::new_with_attr_partial_value(uid, attributes, ancestors, parents, []))
    }

    fn record(&self, members: &[(String, Json)]) -> Result<Members, Refusal> {
        let mut record = Members::new();
        for (name, value) in members.iter().filter(|(_, value)| *value != Json::Null) {
            if record.insert(SmolStr::new(name), self.value(value)?).is_some() {
                return Err(Refusal::Fault(format!("the member {} is there twice", quote(name))));
            }
        }
        Ok(record)
    }

    fn value(&self, value: &Json) -> Result<Value, Refusal> {
        Ok(match value {
            Json::Null => return Err(Refusal::Fault(NULL.into())),
            Json::Boolean(value) => (*value).into(),
            Json::Integer(value) => (*value).into(),
            Json::Number(_) => self.decimal(&decimal(value)?)?,
            Json::Text(text) => text.as_str().into(),
            Json::Array(items) => {
                Value::set(items.iter().map(|item| self.value(item)).collect::<Result<Vec<_>, _>>()?, None)
            }
            Json::Object(members) => Value::new(ValueKind::Record(Arc::new(self.record(members)?)), None),
        })
    }

    fn decimal(&self, text: &str) -> Result<Value, Refusal> {
        let value = Extensions::all_available()
            .func(&self.decimal)
            .map_err(|error| error.to_string())
            .and_then(|decimal| decimal.call(&[text.into()]).map_err(|error| error.to_string()))
            .and_then(|value| Value::try_from(value).map_err(|error| error.to_string()));
        value.map_err(Refusal::Fault)
    }
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
            Ok((name.clone(), typed(value)?))
        })
        .collect::<Result<serde_json::Map<_, _>, _>>()
        .map(serde_json::Value::Object)
}

fn typed(value: &Json) -> Result<serde_json::Value, Refusal> {
    Ok(match value {
        Json::Null => return Err(Refusal::Fault(NULL.into())),
        Json::Boolean(value) => serde_json::json!(value),
        Json::Integer(value) => serde_json::json!(value),
        Json::Number(_) => serde_json::json!({"__extn": {"fn": "decimal", "arg": decimal(value)?}}),
        Json::Text(text) => serde_json::json!(text),
        Json::Array(items) => items.iter().map(typed).collect::<Result<Vec<_>, _>>()?.into(),
        Json::Object(members) => document(members)?,
    })
}

/// A number as Cedar's `decimal` writes it: one to four places.
fn decimal(number: &Json) -> Result<String, Refusal> {
    let refuse =
        || Refusal::Fault(format!("{number} is no number that Cedar has: an integer, or up to four decimal places"));
    let value = number.as_f64().ok_or_else(refuse)?;
    let text = format!("{value:?}");
    let places = text.split_once('.').map_or(0, |(_, places)| places.len());
    if (1..=4).contains(&places) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-')) {
        Ok(text)
    } else {
        Err(refuse())
    }
}
