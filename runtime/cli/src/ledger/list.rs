//! `portcullis ledger list`.

use std::fmt::Write as _;

use portcullis_gate::Outcome;
use portcullis_ledger::store::{ListFilter, ListedDecision};
use serde::Serialize;
use uuid::Uuid;

use super::reader;
use crate::args::{ListArgs, ReportFormat};
use crate::decide::words;
use crate::exit::Exit;
use crate::report;
use crate::text::{counted, shown};

#[derive(Serialize)]
struct Row {
    index: u64,
    id: Uuid,
    time: String,
    outcome: Outcome,
    action: String,
    resource_type: String,
    resource_id: String,
}

pub fn run(args: &ListArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.ledger)?;
    let filter = ListFilter {
        action: args.action.clone(),
        resource_id: args.resource.clone(),
        outcomes: args.outcome.clone(),
        since: args.since,
        ..ListFilter::default()
    };
    let found = reader.list(&filter, args.limit)?;
    let mut rows = Vec::with_capacity(found.len());
    for ListedDecision { index, columns } in found {
        let events = reader.events(index..index.saturating_add(1))?;
        let Some((_, event)) = events.into_iter().next() else { continue };
        rows.push(Row {
            index,
            id: event.id,
            time: format!("{:.3}", columns.time),
            outcome: columns.outcome,
            action: columns.action,
            resource_type: columns.resource_type,
            resource_id: columns.resource_id,
        });
    }
    let text = match args.format {
        ReportFormat::Json => crate::decide::printable(&serde_json::to_string_pretty(&rows)?) + "\n",
        ReportFormat::Human => human(&rows, usize::try_from(args.limit).unwrap_or(usize::MAX), reader.size()?),
    };
    report::out(&text)?;
    // What is listed comes from an index that nothing signs: the events say whether something is missing.
    let size = reader.size()?;
    let whole = rows.len() < usize::try_from(args.limit).unwrap_or(usize::MAX);
    let from = rows.last().filter(|_| !whole).map_or(0, |oldest| oldest.index);
    if let Err(error) = reader.check_decisions(from.max(size.saturating_sub(MAX_COMPARED))..size) {
        report::warning(&format!("this list is not what the log says: {error}; portcullis ledger verify"));
        return Ok(Exit::Unsound);
    }
    Ok(Exit::Done)
}

/// Events with which the index is compared, at most: some seconds.
const MAX_COMPARED: u64 = 1 << 16;

fn human(rows: &[Row], limit: usize, size: u64) -> String {
    let mut out = String::new();
    for row in rows {
        let (style, symbol) = (words::style(row.outcome), words::symbol(row.outcome));
        _ = writeln!(
            out,
            "{:>6}  {}  {style}{symbol} {:<11}{style:#}  {} {} {}\n        {}",
            row.index,
            row.time,
            row.outcome,
            shown(&row.action),
            shown(&row.resource_type),
            shown(&row.resource_id),
            row.id
        );
    }
    let latest = if rows.len() == limit { " (the latest; --limit N shows more)" } else { "" };
    let size = counted(usize::try_from(size).unwrap_or(usize::MAX), "event", "events");
    _ = writeln!(out, "{}{latest}; the ledger has {size}", counted(rows.len(), "decision", "decisions"));
    out
}
