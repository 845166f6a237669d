//! The marks by which a Terraform plan says which of its values are sensitive.
//!
//! Beside `before`, `after` and `values` stand `before_sensitive`, `after_sensitive` and `sensitive_values`: objects of the
//! same shape with `true` where a value is sensitive
//! ([format](https://developer.hashicorp.com/terraform/internals/json-format#change-representation)). Outputs and
//! variables say `sensitive: true` of themselves.

use portcullis_gate::{Document, Pointer};
use serde_json::Value;

use super::{DoorError, Kind};

/// Each mark, and the member beside it that it speaks of.
const MARKS: [(&str, &str); 3] =
    [("before_sensitive", "before"), ("after_sensitive", "after"), ("sensitive_values", "values")];

/// Most marks of a plan.
const MAX_MARKS: usize = 100_000;

/// The fields that a plan marks as sensitive, as they are in the request, below `root`.
pub(super) fn marked(plan: &Document, root: &str) -> Result<Vec<Pointer>, DoorError> {
    let plan: Value = serde_json::from_str(plan.text())
        .map_err(|error| DoorError::Shape { kind: Kind::Terraform, message: error.to_string() })?;
    let mut found = Vec::new();
    walk(&plan, root, &mut found);
    for variable in
        plan.pointer("/configuration/root_module/variables").and_then(Value::as_object).into_iter().flatten()
    {
        if variable.1.get("sensitive") == Some(&Value::Bool(true)) {
            found.push(format!("{root}/variables/{}/value", escaped(variable.0)));
        }
    }
    if found.len() > MAX_MARKS {
        let message = format!("{} values are marked as sensitive, more than {MAX_MARKS}", found.len());
        return Err(DoorError::Shape { kind: Kind::Terraform, message });
    }
    found
        .iter()
        .map(|text| {
            let wrong =
                |problem: &str| format!("the field {text} is marked as sensitive and cannot be masked: it {problem}");
            Pointer::new(text).map_err(|problem| DoorError::Shape { kind: Kind::Terraform, message: wrong(problem) })
        })
        .collect()
}

/// Looks for marks in every object: resources are nested in modules, and changes in deferred ones.
fn walk(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (mark, of) in MARKS {
                if let Some(mark) = members.get(mark) {
                    leaves(mark, &format!("{at}/{of}"), found);
                }
            }
            // An output or variable.
            if members.get("sensitive") == Some(&Value::Bool(true)) && members.contains_key("value") {
                found.push(format!("{at}/value"));
            }
            for (name, member) in members {
                if !MARKS.iter().any(|(mark, _)| mark == name) {
                    walk(member, &format!("{at}/{}", escaped(name)), found);
                }
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                walk(item, &format!("{at}/{place}"), found);
            }
        }
        _ => {}
    }
}

/// The fields of which a mark says `true`; one that is `true` itself speaks of the whole.
fn leaves(mark: &Value, at: &str, found: &mut Vec<String>) {
    match mark {
        Value::Bool(true) => found.push(at.to_owned()),
        Value::Object(members) => {
            for (name, member) in members {
                leaves(member, &format!("{at}/{}", escaped(name)), found);
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                leaves(item, &format!("{at}/{place}"), found);
            }
        }
        _ => {}
    }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
