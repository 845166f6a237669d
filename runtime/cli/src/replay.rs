//! `portcullis replay`.

use std::fmt::Write as _;

use portcullis::{Reader, ReplayError, ReplayResult, Replayed, Replayer};
use portcullis_ledger::store::ListFilter;
use serde::Serialize;
use uuid::Uuid;

use crate::args::{ReplayArgs, ReportFormat};
use crate::each::{each, processors};
use crate::exit::Exit;
use crate::progress::bar;
use crate::text::shown;
use crate::{cache, ledger, report};

/// What came of all.
#[derive(Serialize)]
struct Summary {
    replayed: usize,
    identical: usize,
    decisions: Vec<Row>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Row {
    Replayed(Replayed),
    Failed { id: Uuid, result: &'static str, reason: String },
}

impl Row {
    fn is_identical(&self) -> bool {
        matches!(self, Row::Replayed(Replayed { result: ReplayResult::Match, .. }))
    }
}

/// Replays decisions.
///
/// # Errors
/// The ledger cannot be read.
pub fn run(args: &ReplayArgs) -> anyhow::Result<Exit> {
    let reader = ledger::reader(&args.ledger)?;
    let ids = match args.all {
        true => decisions(&reader, &ListFilter { since: args.since, ..ListFilter::default() })?,
        false => args.ids.iter().map(|text| ledger::id(&reader, text)).collect::<anyhow::Result<_>>()?,
    };
    let replayer = Replayer::new(&reader, cache::engine(&args.cache)?);
    let bar = bar(ids.len());
    let rows = each(&ids, args.jobs.unwrap_or_else(processors), |id| {
        let row = row(*id, replayer.replay(*id));
        bar.inc(1);
        row
    });
    bar.finish_and_clear();
    let identical = rows.iter().filter(|row| row.is_identical()).count();
    let summary = Summary { replayed: rows.len(), identical, decisions: rows };
    let text = match args.format {
        ReportFormat::Human => human(&summary),
        ReportFormat::Json => crate::decide::printable(&serde_json::to_string_pretty(&summary)?) + "\n",
    };
    report::out(&text)?;
    Ok(if identical == summary.replayed { Exit::Done } else { Exit::Differs })
}

fn row(id: Uuid, replayed: Result<Replayed, ReplayError>) -> Row {
    match replayed {
        Ok(replayed) => Row::Replayed(replayed),
        Err(error) => Row::Failed { id, result: "failed", reason: error.to_string() },
    }
}

/// The ids of all decisions that a filter names, the oldest first.
///
/// # Errors
/// The ledger cannot be read.
pub fn decisions(reader: &Reader, filter: &ListFilter) -> anyhow::Result<Vec<Uuid>> {
    const PAGE: u32 = 4096;
    let mut ids = Vec::new();
    let mut filter = filter.clone();
    loop {
        let page = reader.list(&filter, PAGE)?;
        let Some(last) = page.last() else { break };
        filter.before = Some(last.index);
        for listed in &page {
            let event = reader.events(listed.index..listed.index.saturating_add(1))?.into_iter().next();
            ids.extend(event.map(|(_, event)| event.id));
        }
    }
    ids.reverse();
    Ok(ids)
}

fn human(summary: &Summary) -> String {
    let mut out = String::new();
    for row in summary.decisions.iter().filter(|row| summary.decisions.len() <= 20 || !row.is_identical()) {
        match row {
            Row::Replayed(one) => {
                let (symbol, words) = match one.result {
                    ReplayResult::Match => ('✔', "identical, byte for byte"),
                    ReplayResult::Differs => ('✖', "another decision"),
                    ReplayResult::Erased => ('·', "erased"),
                    ReplayResult::HostTimeLimit => ('·', "a policy ran out of wall time"),
                    ReplayResult::EngineChanged => ('·', "another engine"),
                };
                let reason = one.reason.as_deref().map(|reason| format!(": {}", shown(reason))).unwrap_or_default();
                _ = writeln!(out, "{symbol} {} {:<11} {words}{reason}", one.id, one.outcome);
            }
            Row::Failed { id, reason, .. } => _ = writeln!(out, "✖ {id} {}", shown(reason)),
        }
    }
    _ = writeln!(out, "{} of {} identical", summary.identical, summary.replayed);
    out
}
