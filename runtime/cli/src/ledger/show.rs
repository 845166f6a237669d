//! `portcullis ledger show`.

use anyhow::Context as _;
use portcullis::Stored;
use serde_json::json;

use super::{decided, id, of_event, reader};
use crate::args::{ReportFormat, ShowArgs};
use crate::decide::{Line, printable, push_decision};
use crate::exit::Exit;
use crate::report;

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
            format!(
                "{}  {} (erased)\n  event {}, {}\n",
                body.outcome,
                of_event(&stored.event),
                stored.index,
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
