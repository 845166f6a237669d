//! JSON text with one spelling: keys sorted by their bytes, no spaces.

use serde_json::Value;

/// Writes a value so that equal values give equal bytes. Recursion is as deep as the value, which parsers bound.
pub(crate) fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => out.push_str(&value.to_string()),
        Value::Array(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            // Whether serde_json's map is sorted depends on what else the build contains.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (n, (key, member)) in members.into_iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write(member, out);
            }
            out.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_keys_at_every_level_and_writes_no_spaces() {
        let value: Value =
            serde_json::from_str(r#"{ "b": [1, {"z": null, "a": 1.5}], "a\"": "x\ny", "B": true }"#).unwrap();
        assert_eq!(canonical(&value), r#"{"B":true,"a\"":"x\ny","b":[1,{"a":1.5,"z":null}]}"#);
    }

    proptest::proptest! {
        #[test]
        fn is_the_same_value(keys in proptest::collection::vec(".{0,4}", 0..8), n in proptest::prelude::any::<i64>()) {
            let value = keys.iter().fold(Value::from(n), |inner, key| serde_json::json!({ key: inner, "": [key] }));
            let again: Value = serde_json::from_str(&canonical(&value)).unwrap();
            proptest::prop_assert_eq!(again, value);
        }
    }
}
