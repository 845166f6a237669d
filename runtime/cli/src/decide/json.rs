//! Decisions for machines: one object for one payload; JSON Lines, each with its `source` first, for several.

use std::fmt::Write as _;

use portcullis_gate::Decision;
use serde::Serialize;

use super::{Payload, Undecided};
use crate::text::is_unprintable;

/// One payload of several.
#[derive(Serialize)]
struct Line<'a> {
    source: &'a str,
    #[serde(flatten)]
    decision: &'a Decision,
}

/// A payload that was not decided.
#[derive(Serialize)]
struct Failure<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    proceed: bool,
    error: &'a Undecided,
}

/// The decisions as JSON text. Characters that act on a terminal are written as `\u` escapes.
///
/// # Errors
/// None in practice: serde_json refuses only maps with other keys than strings.
pub fn render(payloads: &[Payload]) -> serde_json::Result<String> {
    let text = match payloads {
        [only] => match &only.decided {
            Ok(decision) => serde_json::to_string_pretty(decision)?,
            Err(error) => serde_json::to_string_pretty(&Failure { source: None, proceed: false, error })?,
        },
        several => {
            let lines = several.iter().map(|payload| match &payload.decided {
                Ok(decision) => serde_json::to_string(&Line { source: &payload.source, decision }),
                Err(error) => serde_json::to_string(&Failure { source: Some(&payload.source), proceed: false, error }),
            });
            lines.collect::<Result<Vec<_>, _>>()?.join("\n")
        }
    };
    Ok(printable(&text) + "\n")
}

/// JSON text without characters that act on a terminal: they can only stand inside strings, where an escape means the
/// same.
pub fn printable(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && is_unprintable(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn printable_json_means_the_same(text: String) {
            let json = serde_json::to_string_pretty(&[&text, "\u{202e}\u{e0041}"]).unwrap();
            let printable = printable(&json);
            proptest::prop_assert!(!printable.chars().any(|c| c != '\n' && is_unprintable(c)));
            let again: Vec<String> = serde_json::from_str(&printable).unwrap();
            proptest::prop_assert_eq!(&again[0], &text);
        }
    }
}
