//! `input`: the whole request, or some of its fields each in its place, and what the settings fix.

use std::collections::BTreeMap;

use portcullis_policy::prelude::{Fields, Json, Value};
use regorus::Value as Rego;

use crate::settings::Settings;

/// How `input` is put together.
pub struct Plan {
    /// The request fields, in the order in which they are put into place.
    pub pointers: Vec<String>,
    /// Where in `input` each of them goes: the segments of a path; none is the whole.
    places: Vec<Vec<String>>,
    /// Top-level members that no request can replace.
    fixed: Vec<(String, Rego)>,
}

impl Plan {
    /// # Errors
    /// `fixed` is nothing that Rego can hold.
    pub fn new(settings: &Settings) -> Result<Plan, String> {
        let whole = BTreeMap::from([(String::new(), String::new())]);
        // Sorted: the whole before its parts.
        let places = settings.input.as_ref().unwrap_or(&whole);
        let fixed = settings.fixed.as_object().unwrap_or_default();
        Ok(Plan {
            pointers: places.values().cloned().collect(),
            places: places.keys().map(|place| segments(place)).collect(),
            fixed: fixed
                .iter()
                .map(|(key, json)| Ok((key.clone(), from_json(json)?)))
                .collect::<Result<_, String>>()?,
        })
    }

    /// # Errors
    /// A member would have to be put into something that is no object, or a value cannot be read.
    pub fn input(&self, fields: &Fields) -> Result<Rego, String> {
        let mut input = Rego::Undefined;
        for (n, place) in self.places.iter().enumerate().filter(|(_, place)| place.is_empty()) {
            if let Some(value) = rego(fields.get(n))? {
                put(&mut input, place, value)?;
            }
        }
        for (key, value) in &self.fixed {
            put(&mut input, std::slice::from_ref(key), value.clone())?;
        }
        for (n, place) in self.places.iter().enumerate().filter(|(_, place)| !place.is_empty()) {
            if let Some(value) = rego(fields.get(n))? {
                put(&mut input, place, value)?;
            }
        }
        // Without any field there is still a document: `not input.x` holds for it as for any other.
        Ok(if input == Rego::Undefined { Rego::new_object() } else { input })
    }
}

/// JSON of the settings as Rego has it.
pub fn from_json(json: &Json) -> Result<Rego, String> {
    Rego::from_json_str(&json.to_string()).map_err(|error| format!("{error:#}"))
}

/// A request field; `None` where the request lacks it.
fn rego(value: &Value) -> Result<Option<Rego>, String> {
    Ok(Some(match value {
        Value::Missing => return Ok(None),
        Value::Null => Rego::Null,
        Value::Boolean(value) => Rego::from(*value),
        Value::Integer(value) => Rego::from(*value),
        Value::Number(value) => Rego::from(*value),
        Value::Text(value) => Rego::from(value.as_str()),
        Value::Json(text) => Rego::from_json_str(text).map_err(|error| format!("{error:#}"))?,
    }))
}

fn put(to: &mut Rego, place: &[String], value: Rego) -> Result<(), String> {
    let Some((first, rest)) = place.split_first() else {
        *to = value;
        return Ok(());
    };
    if *to == Rego::Undefined {
        *to = Rego::new_object();
    }
    let members = to.as_object_mut().map_err(|_| format!("`input` has no object to put {first:?} into"))?;
    let key = Rego::from(first.as_str());
    if rest.is_empty() {
        members.insert(key, value);
        return Ok(());
    }
    if !members.contains_key(&key) {
        members.insert(key.clone(), Rego::new_object());
    }
    members.get_mut(&key).map_or(Ok(()), |member| put(member, rest, value))
}

fn segments(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~")).collect()
}
