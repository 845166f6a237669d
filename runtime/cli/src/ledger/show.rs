//! `portcullis ledger show`.

use anyhow::Context as _;
use portcullis::Stored;
use portcullis_ledger::ErasureReason;
use serde_json::json;

use super::{decided, id, of_event, reader};
use crate::args::{ReportFormat, ShowArgs};
use crate::decide::{Line, printable, push_decision, words};
use crate::exit::Exit;
use crate::report;
use crate::text::shown;

pub fn run(args: &ShowArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.ledger)?;
    let stored = Stored::read(&reader, id(&reader, &args.id)?)?;
    let decided = decided(&stored)?;
    let text = match (args.format, &decided) {
        (ReportFormat::Human, Some(decided)) => {
            let mut out = String::new();
            push_decision(&mut out, "", decided);
            out
        }
        (ReportFormat::Human, None) => {
            let body = stored.body()?;
            let why = match stored.erasure(&reader)? {
                Some((event, erased)) => {
                    let reference = erased.reference.map(|text| format!(", {}", shown(&text))).unwrap_or_default();
                    let reason = match erased.reason {
                        ErasureReason::Retention => "too old",
                        ErasureReason::DataSubject => "a data subject asked",
                        ErasureReason::Operator => "the operator's reasons",
                    };
                    format!("what was stored of it was erased by event {event}: {reason}{reference}")
                }
                None => "what was stored of it is gone, and no event says why: `portcullis ledger verify`".to_owned(),
            };
            format!(
                "{} {}  {}\n  recorded as event {} at {} · decision {}\n  {why}\n",
                words::symbol(body.outcome),
                body.outcome,
                of_event(&stored.event),
                stored.index,
                stored.event.time,
                stored.event.id
            )
        }
        (ReportFormat::Json, _) => {
            let event: serde_json::Value =
                serde_json::from_slice(&stored.event.encode()?).context("an event is JSON")?;
            let decision =
                decided.as_ref().map(|decided| Line::new(None, decided)).map(serde_json::to_value).transpose()?;
            let request = stored.request.as_deref().map(serde_json::from_slice::<serde_json::Value>).transpose()?;
            let shown = json!({
                "id": stored.event.id, "index": stored.index, "erased": decided.is_none(),
                "decision": decision, "request": request, "event": event,
            });
            printable(&serde_json::to_string_pretty(&shown)?) + "\n"
        }
    };
    report::out(&text)?;
    Ok(Exit::Done)
}
