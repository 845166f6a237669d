//! Text that comes from a module, made safe to show.

/// `text` on one line: control, bidirectional and invisible characters escaped, cut to at most `max_bytes`.
#[must_use]
pub(crate) fn escaped(text: &str, max_bytes: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max_bytes));
    // Where to cut so that the mark of a cut still fits.
    let mut cut = 0;
    for c in text.chars() {
        if out.len() <= max_bytes.saturating_sub(CUT.len()) {
            cut = out.len();
        }
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_unsafe(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
        if out.len() > max_bytes {
            out.truncate(cut);
            out.push_str(CUT);
            break;
        }
    }
    out
}

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

/// Whether a character could change how others are shown, or is not visible itself.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Longest name shown, in bytes.
const MAX_NAME_BYTES: usize = 160;

/// Ends a text that was cut.
const CUT: &str = "…";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_the_cursor_or_turns_the_text_around_survives() {
        assert_eq!(
            escaped("a\u{1b}[2J\u{7}b\n\u{202e}c\u{85}\u{200b}", 100),
            "a\\u{1b}[2J\\u{7}b\\n\\u{202e}c\\u{85}\\u{200b}"
        );
        assert_eq!(escaped("payé €5", 100), "payé €5");
        let value = serde_json::json!({"k\u{1b}": ["\u{2066}", {"x": 1}]});
        assert_eq!(escaped_json(value), serde_json::json!({"k\\u{1b}": ["\\u{2066}", {"x": 1}]}));
    }

    #[test]
    fn cuts_at_characters_and_within_the_bound() {
        assert_eq!(escaped("abcdef", 6), "abcdef");
        assert_eq!(escaped("abcdefg", 6), "abc…");
        assert_eq!(escaped("ééé", 5), "é…");
        assert_eq!(escaped("\u{1b}\u{1b}", 6), "…");
        assert_eq!(escaped("a\u{1b}", 7), "a\\u{1b}");
    }

    proptest::proptest! {
        #[test]
        fn is_bounded_and_safe(text in ".*", max in 3usize..60) {
            let out = escaped(&text, max);
            proptest::prop_assert!(out.len() <= max);
            proptest::prop_assert!(!out.chars().any(is_unsafe));
        }
    }
}
