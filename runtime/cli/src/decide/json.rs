//! Decisions for machines: one object for one payload; JSON Lines for several. Each has its `source` first.

use std::fmt::Write as _;

use portcullis::Place;
use portcullis_gate::DecisionView;
use serde::Serialize;

use super::{Decided, Named, Payload, Standing, Undecided};
use crate::text::is_unprintable;

/// A decision and where it is recorded.
#[derive(Serialize)]
pub struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(flatten)]
    decision: &'a DecisionView<'static>,
    #[serde(flatten)]
    named: Option<&'a Named>,
    recorded: Recorded<'a>,
    /// Whether it gives, now, what it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    holds: Option<bool>,
    /// Whether it was made to see what would be decided: it gives no permission.
    #[serde(skip_serializing_if = "Option::is_none")]
    rehearsal: Option<bool>,
}

/// Where a decision is recorded.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Recorded<'a> {
    /// The event's index in the ledger.
    Event(u64),
    /// The event's index, of an earlier request with the same idempotency key.
    Earlier(u64),
    /// Not at all: a rehearsal.
    DryRun,
    /// Not at all, and why.
    Failed(&'a str),
}

impl<'a> Line<'a> {
    pub fn new(source: Option<&'a str>, decided: &'a Decided) -> Line<'a> {
        let recorded = match &decided.place {
            Place::Ledger { index } => Recorded::Event(*index),
            Place::Repeated { index } => Recorded::Earlier(*index),
            Place::DryRun => Recorded::DryRun,
            Place::Nowhere { reason } => Recorded::Failed(reason),
        };
        let (holds, rehearsal) = match decided.standing {
            Standing::Holds => (Some(true), Some(false)),
            Standing::Lapsed => (Some(false), Some(false)),
            Standing::Rehearsal => (Some(false), Some(true)),
            Standing::Past => (None, None),
        };
        Line { source, decision: &decided.view, named: decided.named.as_ref(), recorded, holds, rehearsal }
    }
}

/// A payload that was not decided.
#[derive(Serialize)]
struct Failure<'a> {
    source: &'a str,
    proceed: bool,
    error: &'a Undecided,
}

impl<'a> Failure<'a> {
    fn new(payload: &'a Payload, error: &'a Undecided) -> Failure<'a> {
        Failure { source: &payload.source, proceed: false, error }
    }
}

/// The decisions as JSON text. Characters that act on a terminal are written as `\u` escapes.
///
/// # Errors
/// None in practice: serde_json refuses only maps with other keys than strings.
pub fn render(payloads: &[Payload]) -> serde_json::Result<String> {
    let text = match payloads {
        [only] => match &only.decided {
            Ok(decided) => serde_json::to_string_pretty(&Line::new(Some(&only.source), decided))?,
            Err(error) => serde_json::to_string_pretty(&Failure::new(only, error))?,
        },
        several => {
            let lines = several.iter().map(|payload| match &payload.decided {
                Ok(decided) => serde_json::to_string(&Line::new(Some(&payload.source), decided)),
                Err(error) => serde_json::to_string(&Failure::new(payload, error)),
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
