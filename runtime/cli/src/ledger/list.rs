//! `portcullis ledger list`.

use std::fmt::Write as _;

use portcullis::{Reader, Stored};
use portcullis_gate::Outcome;
use portcullis_ledger::Body;
use portcullis_ledger::store::{ListFilter, ListedDecision};
use serde::Serialize;
use uuid::Uuid;

use super::{decided, reader};
use crate::args::{ListArgs, ReportFormat};
use crate::decide::{Entity, words};
use crate::exit::Exit;
use crate::report;
use crate::text::{counted, shown};

/// A decision in the list. What its request said is not there where that was erased.
#[derive(Serialize)]
struct Row {
    index: u64,
    id: Uuid,
    time: String,
    outcome: Outcome,
    action: String,
    resource_type: String,
    resource_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Entity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<String>,
    /// The codes of the findings, the strictest first.
    codes: Vec<String>,
    /// The policy whose finding is the strictest.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    policy_set: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    /// Whether what was stored of it was erased, or is not what the event commits to.
    #[serde(skip_serializing_if = "Option::is_none")]
    lacks: Option<&'static str>,
}

pub fn run(args: &ListArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.ledger)?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let rows = rows(args, &reader, limit)?;
    let text = match args.format {
        ReportFormat::Json => crate::decide::printable(&serde_json::to_string_pretty(&rows)?) + "\n",
        ReportFormat::Human => human(&rows, limit, reader.size()?),
    };
    report::out(&text)?;
    // What is listed comes from an index that nothing signs: the events say whether something is missing.
    let size = reader.size()?;
    let from = if rows.len() < limit { 0 } else { rows.last().map_or(0, |oldest| oldest.index) };
    if let Err(error) = reader.check_decisions(from.max(size.saturating_sub(MAX_COMPARED))..size) {
        report::warning(&format!("this list is not what the log says: {error}; portcullis ledger verify"));
        return Ok(Exit::Unsound);
    }
    Ok(Exit::Done)
}

/// The latest decisions that the arguments ask for. What the ledger has no index of is looked for in each decision.
fn rows(args: &ListArgs, reader: &Reader, limit: usize) -> anyhow::Result<Vec<Row>> {
    const PAGE: u32 = 256;
    let mut filter = ListFilter {
        action: args.action.clone(),
        resource_id: args.resource.clone(),
        outcomes: args.outcome.clone(),
        since: args.since,
        ..ListFilter::default()
    };
    let mut rows = Vec::new();
    loop {
        let page = reader.list(&filter, PAGE.min(args.limit))?;
        let Some(last) = page.last() else { return Ok(rows) };
        filter.before = Some(last.index);
        for listed in page {
            let row = row(reader, listed)?;
            if let Some(row) = row.filter(|row| matches(args, row)) {
                rows.push(row);
            }
            if rows.len() == limit {
                return Ok(rows);
            }
        }
    }
}

fn row(reader: &Reader, ListedDecision { index, columns }: ListedDecision) -> anyhow::Result<Option<Row>> {
    let events = reader.events(index..index.saturating_add(1))?;
    let Some((_, event)) = events.into_iter().next() else { return Ok(None) };
    let mut row = Row {
        index,
        id: event.id,
        time: format!("{:.3}", columns.time),
        outcome: columns.outcome,
        action: columns.action,
        resource_type: columns.resource_type,
        resource_id: columns.resource_id,
        subject: None,
        environment: None,
        codes: Vec::new(),
        policy: None,
        policy_set: String::new(),
        correlation_id: None,
        lacks: Some(DAMAGED),
    };
    // A damaged decision is listed with what the index says of it: it must not hide the others.
    let Ok(stored) = Stored::read(reader, event.id) else { return Ok(Some(row)) };
    if let Body::Decision(body) = &stored.event.body {
        row.codes.clone_from(&body.codes);
        row.policy_set.clone_from(&body.policy_set.name);
        row.correlation_id.clone_from(&body.correlation_id);
    }
    match decided(&stored) {
        Ok(Some(decided)) => {
            let strictest = decided.view.findings.first();
            row.policy = strictest.and_then(|finding| finding.policy.as_deref()).map(str::to_owned);
            row.lacks = decided.named.is_none().then_some(ERASED);
            if let Some(named) = decided.named {
                (row.subject, row.environment) = (Some(named.subject), named.environment);
            }
        }
        Ok(None) => row.lacks = Some(ERASED),
        Err(_) => {}
    }
    Ok(Some(row))
}

const ERASED: &str = "erased";
const DAMAGED: &str = "damaged";

fn matches(args: &ListArgs, row: &Row) -> bool {
    fn is<T>(wanted: Option<&T>, test: impl Fn(&T) -> bool) -> bool {
        wanted.is_none_or(test)
    }
    is(args.correlation_id.as_ref(), |wanted| row.correlation_id.as_ref() == Some(wanted))
        && is(args.code.as_ref(), |wanted| row.codes.contains(wanted))
        && is(args.environment.as_ref(), |wanted| row.environment.as_ref() == Some(wanted))
        && is(args.subject.as_ref(), |wanted| {
            row.subject.as_ref().is_some_and(|subject| subject.id == **wanted || subject.to_string() == **wanted)
        })
}

/// Events with which the index is compared, at most: some seconds.
const MAX_COMPARED: u64 = 1 << 16;

fn human(rows: &[Row], limit: usize, size: u64) -> String {
    let mut out = String::new();
    for row in rows {
        let (style, symbol) = (words::style(row.outcome), words::symbol(row.outcome));
        let place = row.environment.as_deref().map(|environment| format!(" in {}", shown(environment)));
        let who = row.subject.as_ref().map(|subject| format!(", by {} {}", shown(&subject.kind), shown(&subject.id)));
        let lacks = row.lacks.map(|lacks| format!(" ({lacks})"));
        _ = writeln!(
            out,
            "{:>6}  {}  {style}{symbol} {:<11}{style:#}  {} {} {}{}{}{}",
            row.index,
            row.time,
            row.outcome,
            shown(&row.action),
            shown(&row.resource_type),
            shown(&row.resource_id),
            place.unwrap_or_default(),
            who.unwrap_or_default(),
            lacks.unwrap_or_default(),
        );
        let mut why: Vec<String> = row.codes.first().map(|code| shown(code)).into_iter().collect();
        why.extend(row.policy.as_deref().map(|policy| format!("policy {}", shown(policy))));
        why.extend(row.correlation_id.as_deref().map(|id| format!("correlation id {}", shown(id))));
        why.push(row.id.to_string());
        _ = writeln!(out, "        {}", why.join(" · "));
    }
    let latest = if rows.len() == limit { " (the latest; --limit N shows more)" } else { "" };
    let size = counted(usize::try_from(size).unwrap_or(usize::MAX), "event", "events");
    _ = writeln!(out, "{}{latest}; the ledger has {size}", counted(rows.len(), "decision", "decisions"));
    out
}
