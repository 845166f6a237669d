//! Text that comes from a module, made safe to show.

pub(crate) use portcullis_gate::text::{escaped, is_unprintable};

/// A name as it is shown inside a sentence.
pub(crate) fn name(text: &str) -> String {
    escaped(text, MAX_NAME_BYTES)
}

/// `value` with every string and key in it escaped.
pub(crate) fn escaped_json(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::String(text) => Value::String(escaped(&text, usize::MAX)),
        Value::Array(items) => Value::Array(items.into_iter().map(escaped_json).collect()),
        Value::Object(members) => Value::Object(
            members.into_iter().map(|(key, value)| (escaped(&key, usize::MAX), escaped_json(value))).collect(),
        ),
        other => other,
    }
}

/// Longest name shown, in bytes.
const MAX_NAME_BYTES: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_are_escaped() {
        let value = serde_json::json!({"k\u{1b}": ["\u{2066}", {"x": 1}]});
        assert_eq!(escaped_json(value), serde_json::json!({"k\\u{1b}": ["\\u{2066}", {"x": 1}]}));
    }
}
