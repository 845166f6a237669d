//! What came of running one policy, for people and as JSON.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use portcullis_engine::{HostCall, Mode};
use portcullis_gate::{HistoryAnswer, HistoryCall, HistoryQuery, Said, Sha256};
use serde::Serialize;
use serde_json::{Value, json};

use super::run::{Done, Evaluated};
use super::suite::said_word;
use super::verdict;
use crate::decide::{asked, printable};
use crate::text::{counted, shown};

const HEADING: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Why nothing may go on.
const NO_PERMISSION: &str = "one policy is no decision: nothing is recorded, and nothing may go on because of it";

/// Everything as JSON.
#[derive(Serialize)]
struct Trace<'a> {
    policy: &'a str,
    module_sha256: Sha256,
    settings_sha256: Sha256,
    /// Always false.
    permission: bool,
    note: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    case: Option<&'a str>,
    asked: String,
    now: &'a str,
    request_sha256: Sha256,
    settings: Value,
    #[serde(flatten)]
    evaluated: Option<EvaluatedTrace<'a>>,
    outcome: &'static str,
    said: &'a Said,
    load_us: u64,
    /// Whether it was taken from the compile cache.
    load_cached: bool,
    /// Whether the case's expectation holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_expected: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<&'a str>,
}

#[derive(Serialize)]
struct EvaluatedTrace<'a> {
    /// `snapshot`, or why `configure` runs each time.
    mode: &'a str,
    inputs: Vec<Value>,
    calls: Vec<Value>,
    log: &'a [String],
    fuel: Used,
    memory_bytes: Used,
    duration_us: u64,
    time_limit_us: u64,
}

#[derive(Serialize)]
struct Used {
    used: u64,
    limit: u64,
}

/// Everything, for people. Long values are cut; `--format json` has them whole.
#[must_use]
pub fn human(name: &str, done: &Done<'_>, said: &Said) -> String {
    let mut out = String::new();
    let request = &done.given.request;
    _ = writeln!(out, "{HEADING}{}{HEADING:#} {FAINT}module {}{FAINT:#}", shown(name), done.module_sha256.short());
    if let Some(case) = &done.given.case {
        _ = writeln!(out, "  case {:?} of {}", shown(&case.name), shown(&case.file.display().to_string()));
    }
    _ = writeln!(out, "  {}", asked(request));
    heading(&mut out, "Settings");
    _ = writeln!(out, "    {}", shown(done.given.settings.trim()));
    if let Ok(evaluated) = &done.ran {
        push_inputs(&mut out, evaluated);
        push_calls(&mut out, &evaluated.traced.calls);
        push_list(&mut out, "Log", evaluated.traced.evaluation.log.iter().map(|line| shown(line)).collect());
    }
    heading(&mut out, "Verdict");
    for line in verdict::human(said).lines() {
        _ = writeln!(out, "    {line}");
    }
    if done.given.case.is_some() {
        match &done.difference {
            None => _ = writeln!(out, "    as the case expects"),
            Some(difference) => {
                _ = writeln!(
                    out,
                    "    {BAD}not as the case expects{BAD:#} {FAINT}- is expected, + is what came{FAINT:#}"
                );
                difference.lines().for_each(|line| _ = writeln!(out, "      {line}"));
            }
        }
    }
    heading(&mut out, "Cost");
    if let Ok(Evaluated { mode, traced, .. }) = &done.ran {
        let (limits, evaluation) = (&done.limits, &traced.evaluation);
        _ = writeln!(out, "    fuel    {}", share(evaluation.fuel, limits.fuel));
        _ = writeln!(out, "    memory  {}", share(evaluation.memory_bytes, limits.memory_bytes));
        _ = writeln!(out, "    time    {} µs of {} ms", evaluation.duration.as_micros(), limits.time_ms);
        if let Mode::ConfigureEachTime(reason) = mode {
            _ = writeln!(out, "    {FAINT}`configure` runs in every sandbox: {}{FAINT:#}", shown(reason));
        }
    }
    let cached = if done.cached { ", from the compile cache" } else { "" };
    _ = writeln!(out, "    load    {} ms{cached}", done.load.as_millis());
    _ = writeln!(out, "\n  {BAD}NO PERMISSION{BAD:#} {NO_PERMISSION}");
    out
}

fn push_inputs(out: &mut String, evaluated: &Evaluated) {
    let inputs: Vec<(String, String)> = evaluated
        .pointers
        .iter()
        .zip(&evaluated.traced.inputs)
        .map(|(pointer, value)| {
            let pointer = if pointer.is_empty() { "(the whole request)".to_owned() } else { shown(pointer) };
            (pointer, value_words(value.as_ref()))
        })
        .collect();
    let width = inputs.iter().map(|(pointer, _)| pointer.chars().count()).max().unwrap_or(0);
    let lines = inputs.into_iter().map(|(pointer, value)| format!("{pointer:<width$}  {value}")).collect();
    push_list(out, "Inputs that it declares", lines);
}

fn push_calls(out: &mut String, calls: &[HostCall]) {
    let lines = calls.iter().map(|call| match call {
        HostCall::Log(line) => format!("log {}", shown(line)),
        HostCall::Data { document, pointer, answer } => {
            let answer = answer.as_ref().map_or_else(|stop| stopped(stop), |value| value_words(value.as_ref()));
            format!("data {} {}: {answer}", shown(document), shown(pointer))
        }
        HostCall::Request { pointers, answer } => match answer {
            Err(stop) => format!("request {}: {}", shown(&pointers.join(" ")), stopped(stop)),
            Ok(values) => {
                let pairs = pointers.iter().zip(values);
                let pairs =
                    pairs.map(|(pointer, value)| format!("{}: {}", shown(pointer), value_words(value.as_ref())));
                format!("request {}", pairs.collect::<Vec<_>>().join(", "))
            }
        },
        HostCall::History(HistoryCall { query, answer }) => {
            let answer = answer.as_ref().map_or_else(|error| stopped(&error.to_string()), history_words);
            format!("history {}: {answer}", query_words(query))
        }
        _ => "a call that this command does not know".to_owned(),
    });
    push_list(out, "What it asked of the host", lines.collect());
}

fn stopped(detail: &str) -> String {
    format!("stopped: {}", shown(detail))
}

/// `the decisions of the last 60 minutes, action deploy, outcome allow or warn`.
fn query_words(query: &HistoryQuery) -> String {
    let mut words = format!("decisions of the last {}", counted(query.within_minutes as usize, "minute", "minutes"));
    let named = [("action", &query.action), ("resource type", &query.resource_type), ("resource", &query.resource_id)];
    for (what, text) in named {
        if let Some(text) = text {
            words.push_str(&format!(", {what} {}", shown(text)));
        }
    }
    if !query.outcomes.is_empty() {
        let outcomes: Vec<&str> = query.outcomes.iter().map(|outcome| outcome.as_str()).collect();
        words.push_str(&format!(", outcome {}", outcomes.join(" or ")));
    }
    words
}

fn history_words(answer: &HistoryAnswer) -> String {
    match answer.texts() {
        (Some(oldest), Some(latest)) => format!("{}, from {oldest} to {latest}", answer.count),
        _ => answer.count.to_string(),
    }
}

fn value_words(value: Option<&Value>) -> String {
    value.map_or_else(|| format!("{FAINT}missing{FAINT:#}"), |value| shown(&value.to_string()))
}

fn share(used: u64, limit: u64) -> String {
    let percent = used as f64 / limit.max(1) as f64 * 100.0;
    format!("{used} of {limit} ({percent:.1} %)")
}

fn heading(out: &mut String, heading: &str) {
    _ = writeln!(out, "\n  {HEADING}{heading}{HEADING:#}");
}

fn push_list(out: &mut String, title: &str, lines: Vec<String>) {
    if lines.is_empty() {
        return;
    }
    heading(out, title);
    lines.iter().for_each(|line| _ = writeln!(out, "    {line}"));
}

/// Everything as one JSON object.
///
/// # Errors
/// None in practice: serde_json refuses only maps with other keys than strings.
pub fn json(name: &str, done: &Done<'_>, said: &Said) -> anyhow::Result<String> {
    let given = done.given;
    let micros = |duration: std::time::Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let evaluated = done.ran.as_ref().ok().map(|evaluated| {
        let evaluation = &evaluated.traced.evaluation;
        EvaluatedTrace {
            mode: match &evaluated.mode {
                Mode::Snapshot => "snapshot",
                Mode::ConfigureEachTime(reason) => reason,
            },
            inputs: pairs(&evaluated.pointers, &evaluated.traced.inputs),
            calls: evaluated.traced.calls.iter().map(call).collect(),
            log: &evaluation.log,
            fuel: Used { used: evaluation.fuel, limit: done.limits.fuel },
            memory_bytes: Used { used: evaluation.memory_bytes, limit: done.limits.memory_bytes },
            duration_us: micros(evaluation.duration),
            time_limit_us: done.limits.time_ms.saturating_mul(1000),
        }
    });
    let trace = Trace {
        policy: name,
        module_sha256: done.module_sha256,
        settings_sha256: Sha256::of(given.settings.as_bytes()),
        permission: false,
        note: NO_PERMISSION,
        case: given.case.as_ref().map(|case| case.name.as_str()),
        asked: asked(&given.request),
        now: given.request.now_text(),
        request_sha256: given.request.sha256(),
        settings: serde_json::from_str(&given.settings).unwrap_or_else(|_| given.settings.as_str().into()),
        evaluated,
        outcome: said_word(said),
        said,
        load_us: micros(done.load),
        load_cached: done.cached,
        as_expected: given.case.as_ref().map(|_| done.difference.is_none()),
        difference: done.difference.as_deref(),
    };
    Ok(printable(&serde_json::to_string_pretty(&trace)?) + "\n")
}

/// Pointers with their values; one without `value` is missing.
fn pairs(pointers: &[String], values: &[Option<Value>]) -> Vec<Value> {
    let pair = |(pointer, value): (&String, &Option<Value>)| match value {
        Some(value) => json!({"pointer": pointer, "value": value}),
        None => json!({"pointer": pointer, "missing": true}),
    };
    pointers.iter().zip(values).map(pair).collect()
}

fn call(call: &HostCall) -> Value {
    match call {
        HostCall::Log(line) => json!({"call": "log", "message": line}),
        HostCall::Data { document, pointer, answer } => match answer {
            Ok(Some(value)) => json!({"call": "data", "document": document, "pointer": pointer, "value": value}),
            Ok(None) => json!({"call": "data", "document": document, "pointer": pointer, "missing": true}),
            Err(stop) => json!({"call": "data", "document": document, "pointer": pointer, "stopped": stop}),
        },
        HostCall::Request { pointers, answer } => match answer {
            Ok(values) => json!({"call": "request", "fields": pairs(pointers, values)}),
            Err(stop) => json!({"call": "request", "pointers": pointers, "stopped": stop}),
        },
        HostCall::History(HistoryCall { query, answer }) => match answer {
            Ok(answer) => json!({"call": "history", "query": query, "answer": answer}),
            Err(error) => json!({"call": "history", "query": query, "stopped": error.to_string()}),
        },
        _ => json!({"call": "unknown"}),
    }
}
