//! `portcullis replay`.

use std::fmt::Write as _;
use std::ops::Range;

use anyhow::Context as _;
use jiff::Timestamp;
use portcullis::{Ledger, Reader, ReplayError, ReplayResult, Replayed, Replayer};
use portcullis_ledger::store::Entry;
use portcullis_ledger::{Appended, Body, Event, LoggedDecisions, ReplayChecked, ReplayedOther, Time};
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
    #[serde(flatten)]
    counts: Counts,
    decisions: Vec<Row>,
}

/// How many, by what came of them. They add up to those that were replayed.
#[derive(Clone, Copy, Default, Serialize)]
struct Counts {
    replayed: usize,
    identical: usize,
    erased: usize,
    /// The record tells of a failure of the host, and the rest is the same.
    not_repeatable: usize,
    /// Not identical, or it cannot be made again.
    different: usize,
}

impl Counts {
    fn of(rows: &[Row]) -> Counts {
        let mut counts = Counts { replayed: rows.len(), ..Counts::default() };
        for row in rows {
            let count = match row {
                Row::Replayed(Replayed { result: ReplayResult::Match, .. }) => &mut counts.identical,
                Row::Replayed(Replayed { result: ReplayResult::Erased, .. }) => &mut counts.erased,
                Row::Replayed(Replayed { settled: true, .. }) => &mut counts.not_repeatable,
                Row::Replayed(_) | Row::Failed { .. } => &mut counts.different,
            };
            *count = count.saturating_add(1);
        }
        counts
    }

    /// Where everything was asked for, what was erased lawfully is no difference; whoever names a decision wants to see it.
    fn exit(self, all: bool) -> Exit {
        if self.different == 0 && (all || self.erased == 0) { Exit::Done } else { Exit::Differs }
    }
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
    // Whoever cannot write is told before hours of replaying.
    let recording = if args.record { Some(ledger::open_existing(&args.ledger)?) } else { None };
    let reader = ledger::reader(&args.ledger)?;
    let (ids, range) = if args.all {
        let logged = logged(&reader, args.since)?;
        let from = match args.since {
            Some(_) => logged.decisions.first().map_or(logged.size, |first| first.index),
            None => 0,
        };
        (ids(&logged), from..logged.size)
    } else {
        (args.ids.iter().map(|text| ledger::id(&reader, text)).collect::<anyhow::Result<_>>()?, 0..0)
    };
    let engine = cache::engine(&args.cache)?;
    let replayer = Replayer::new(&reader, engine.clone());
    let bar = bar(ids.len());
    let rows = each(&ids, args.jobs.unwrap_or_else(processors), |id| {
        let row = row(*id, replayer.replay(*id));
        bar.inc(1);
        row
    });
    bar.finish_and_clear();
    cache::warn_of_not_kept(&engine);
    let counts = Counts::of(&rows);
    let summary = Summary { counts, decisions: rows };
    let text = match args.format {
        ReportFormat::Human => human(&summary),
        ReportFormat::Json => crate::decide::printable(&serde_json::to_string_pretty(&summary)?) + "\n",
    };
    report::out(&text)?;
    if let Some(ledger) = recording {
        let engine = portcullis_ledger::Engine {
            version: engine.version().into(),
            configuration_sha256: engine.configuration_sha256(),
        };
        let event = record(&ledger, summary.checked(range, engine))?;
        report::note(&format!("event {event} of the ledger says what came of it"));
    }
    Ok(counts.exit(args.all))
}

impl Summary {
    fn checked(&self, range: Range<u64>, engine: portcullis_ledger::Engine) -> ReplayChecked {
        let other = |row: &Row| match row {
            Row::Replayed(replayed) => ReplayedOther { decision: replayed.id, result: Some(replayed.result) },
            Row::Failed { id, .. } => ReplayedOther { decision: *id, result: None },
        };
        let mut body = ReplayChecked {
            from: range.start,
            to: range.end,
            replayed: self.counts.replayed as u64,
            identical: self.counts.identical as u64,
            others: self.decisions.iter().filter(|row| !row.is_identical()).map(other).collect(),
            others_left_out: 0,
            engine,
            tool: concat!("portcullis ", env!("CARGO_PKG_VERSION")).into(),
        };
        body.fit();
        body
    }
}

/// Adds the event that says what came of a replay.
fn record(ledger: &Ledger, body: ReplayChecked) -> anyhow::Result<u64> {
    let body = Body::ReplayChecked(body);
    let event = Event { id: Uuid::now_v7(), time: Time::new(Timestamp::now())?, body };
    match ledger.append(Entry::new(&event)?)? {
        Appended::Committed(commit) => Ok(commit.index),
        other => anyhow::bail!("the ledger answered {other:?}"),
    }
}

fn row(id: Uuid, replayed: Result<Replayed, ReplayError>) -> Row {
    match replayed {
        Ok(replayed) => Row::Replayed(replayed),
        Err(error) => Row::Failed { id, result: "failed", reason: error.to_string() },
    }
}

/// The ids of the log's decisions since a time, the oldest first.
///
/// # Errors
/// The ledger cannot be read, or what it lists is not what was signed.
pub fn decisions(reader: &Reader, since: Option<Timestamp>) -> anyhow::Result<Vec<Uuid>> {
    Ok(ids(&logged(reader, since)?))
}

fn logged(reader: &Reader, since: Option<Timestamp>) -> anyhow::Result<LoggedDecisions> {
    let all =
        reader.decisions().context("not all decisions of the ledger can be accounted for: portcullis ledger verify")?;
    Ok(match since {
        Some(since) => all.since(since),
        None => all,
    })
}

fn ids(logged: &LoggedDecisions) -> Vec<Uuid> {
    logged.decisions.iter().map(|one| one.id).collect()
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
                    ReplayResult::HostFailure => ('·', "the host failed"),
                    ReplayResult::EngineChanged => ('·', "another engine"),
                };
                let reason = one.reason.as_deref().map(|reason| format!(": {}", shown(reason))).unwrap_or_default();
                _ = writeln!(out, "{symbol} {} {:<11} {words}{reason}", one.id, one.outcome);
            }
            Row::Failed { id, reason, .. } => _ = writeln!(out, "✖ {id} {}", shown(reason)),
        }
    }
    let counts = summary.counts;
    _ = write!(out, "{} of {} identical", counts.identical, counts.replayed);
    let others = [
        (counts.erased, "erased"),
        (counts.not_repeatable, "cannot be repeated: host failure"),
        (counts.different, "different, or not made again"),
    ];
    for (count, words) in others.into_iter().filter(|(count, _)| *count > 0) {
        _ = write!(out, ", {count} {words}");
    }
    out.push('\n');
    out
}
