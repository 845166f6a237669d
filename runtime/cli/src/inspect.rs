//! `portcullis inspect`.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};

use anstyle::{AnsiColor, Style};
use anyhow::Context as _;
use portcullis_inspect::{DeclaredInputs, InspectLimits, Report, WorldVerdict, inspect};

use crate::args::{InspectArgs, ReportFormat};
use crate::decide::printable;
use crate::exit::Exit;
use crate::text::{counted, shown};

const HEADING: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Reads a module and prints what it is and can do.
///
/// # Errors
/// The file cannot be read, or standard output cannot be written.
pub fn run(args: &InspectArgs) -> anyhow::Result<Exit> {
    let limits = InspectLimits::default();
    let bytes = read(&args.file, &limits).with_context(|| format!("cannot read {}", args.file.display()))?;
    let (report, exit) = match inspect(&bytes, &limits) {
        Ok(report) => (report, Exit::Done),
        Err(refusal) => (*refusal.report, Exit::Refused),
    };
    let mut out = anstream::stdout().lock();
    let text = match args.format {
        ReportFormat::Human => human(&args.file.to_string_lossy(), &report),
        ReportFormat::Json => printable(&serde_json::to_string_pretty(&report)?) + "\n",
    };
    out.write_all(text.as_bytes()).context("cannot write to standard output")?;
    Ok(exit)
}

/// The file, at most one byte more than a module may have: enough to be refused for its size.
fn read(path: &std::path::Path, limits: &InspectLimits) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(limits.module_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn human(file: &str, report: &Report) -> String {
    let mut out = String::new();
    match (&report.code, &report.detail) {
        (Some(code), detail) => {
            _ = writeln!(out, "{BAD}✖ REFUSED{BAD:#}  {code}: {}", shown(detail.as_deref().unwrap_or(code.explain())));
        }
        (None, _) if report.admissible => {
            _ = writeln!(out, "{GOOD}✔ ADMISSIBLE{GOOD:#}  a policy that can do no more than what is said here");
        }
        (None, _) => _ = writeln!(out, "{BAD}✖ REFUSED{BAD:#}"),
    }
    _ = writeln!(out, "  {}, {}", shown(file), bytes(report.size_bytes));
    _ = writeln!(out, "  {FAINT}sha256 {}{FAINT:#}", report.module_sha256);
    push_description(&mut out, report);
    push_abilities(&mut out, report);
    push_settings(&mut out, report);
    push_build(&mut out, report);
    out
}

fn push_description(out: &mut String, report: &Report) {
    let Some(description) = &report.description else {
        push_list(out, "Description", vec!["none: nothing says what it is for".into()]);
        return;
    };
    let mut items =
        vec![format!("{} {}", shown(&description.name), shown(&description.version)), shown(&description.summary)];
    items.extend(description.sdk.iter().map(|sdk| format!("written with {}", shown(sdk))));
    push_list(out, "It says about itself", items);
}

fn push_abilities(out: &mut String, report: &Report) {
    push_list(out, "What it can read of a request", report.reads.iter().map(|words| shown(words)).collect());
    match &report.declared_inputs {
        DeclaredInputs::Unknown => push_list(out, "Inputs", vec!["unknown until it is configured".into()]),
        DeclaredInputs::FromSettings => {
            push_list(out, "Inputs", vec!["they depend on its settings; the policy set's lock lists them".into()]);
        }
        // What it can read, above, has them in words.
        DeclaredInputs::Listed(_) => {}
    }
    let mut calls: Vec<String> =
        report.calls.iter().map(|call| format!("{}: {}", shown(&call.name), shown(&call.words))).collect();
    if calls.is_empty() {
        calls.push("nothing".into());
    }
    push_list(out, "What it can call", calls);
    let limits = report.proposed_limits.iter().map(|(key, value)| format!("{key} = {value}"));
    push_list(out, "Limits that its author proposes", limits.collect());
    let history = report.history.iter().map(|history| shown(&history.summary));
    push_list(out, "What it reads the ledger's history for, as it says", history.collect());
    let exports = report.exports.iter().map(|export| format!("{}: {}", shown(&export.name), shown(&export.words)));
    push_list(out, "What it offers", exports.collect());

    let world = &report.world;
    let verdict = match world.verdict {
        WorldVerdict::Matches => format!("{GOOD}matches{GOOD:#} {} {}", shown(&world.package), shown(&world.version)),
        WorldVerdict::Differs => {
            format!("{BAD}differs{BAD:#} from {} {}", shown(&world.package), shown(&world.version))
        }
        WorldVerdict::Unknown => "not compared: it was refused before".into(),
    };
    let differences = world.differences.iter().map(|difference| shown(difference));
    push_list(out, "World", std::iter::once(verdict).chain(differences).collect());
    let proposals = report.proposals.iter().map(|proposal| shown(proposal)).collect();
    push_list(out, "WebAssembly beyond the first version", proposals);
    if report.start_function {
        push_list(out, "Start", vec!["code of it runs as soon as it is instantiated, before `configure`".into()]);
    }
}

fn push_settings(out: &mut String, report: &Report) {
    let data = report.data_documents.iter().map(|data| format!("{}: {}", shown(&data.name), shown(&data.summary)));
    push_list(out, "Reference documents that it wants", data.collect());
    let codes = report.codes.iter().map(|code| format!("{}: {}", shown(&code.code), shown(&code.summary)));
    push_list(out, "Codes of its findings", codes.collect());
    if let Some(schema) = &report.settings_schema {
        push_list(out, "Settings", settings(schema));
    }
}

/// The settings by name; the whole schema is in the JSON.
fn settings(schema: &serde_json::Value) -> Vec<String> {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(serde_json::Value::as_array)
        .map(|names| names.iter().filter_map(serde_json::Value::as_str).collect())
        .unwrap_or_default();
    let Some(properties) = schema.get("properties").and_then(serde_json::Value::as_object) else {
        return vec!["see the schema in --format json".into()];
    };
    if properties.is_empty() {
        return vec!["none".into()];
    }
    let setting = |(name, schema): (&String, &serde_json::Value)| {
        let kind = match schema.get("type") {
            Some(serde_json::Value::String(kind)) => format!(" ({})", shown(kind)),
            _ => String::new(),
        };
        let must = if required.contains(&name.as_str()) { ", required" } else { "" };
        let words = schema.get("description").and_then(serde_json::Value::as_str);
        let words = words.map(|words| format!(": {}", shown(words))).unwrap_or_default();
        format!("{}{kind}{must}{words}", shown(name))
    };
    properties.iter().map(setting).collect()
}

fn push_build(out: &mut String, report: &Report) {
    let sizes = &report.sizes;
    let mut items = vec![
        format!(
            "{}, the largest {}; {} of data",
            counted(sizes.functions as usize, "function", "functions"),
            bytes(sizes.largest_function_bytes),
            bytes(sizes.data_bytes)
        ),
        format!(
            "{}: {} at the start, {} at most (the policy set's limit is lower)",
            counted(sizes.memories as usize, "memory", "memories"),
            bytes(sizes.initial_memory_bytes),
            bytes(sizes.max_memory_bytes)
        ),
        format!(
            "{} with {}; {}, nested {} deep",
            counted(sizes.tables as usize, "table", "tables"),
            counted(sizes.table_elements as usize, "element", "elements"),
            counted(sizes.core_modules as usize, "core module", "core modules"),
            sizes.nesting_depth
        ),
    ];
    for section in &sizes.custom_sections {
        items.push(format!("custom section {}: {}", shown(&section.name), bytes(section.bytes)));
    }
    push_list(out, "Sizes", items);
    let claims = report
        .toolchain_claims
        .iter()
        .map(|claim| format!("{}: {} {}", shown(&claim.field), shown(&claim.name), shown(&claim.version)));
    push_list(out, "Made by, as it claims", claims.collect());
}

fn push_list(out: &mut String, heading: &str, items: Vec<String>) {
    if items.is_empty() {
        return;
    }
    _ = writeln!(out, "\n  {HEADING}{heading}{HEADING:#}");
    for item in items {
        _ = writeln!(out, "    - {item}");
    }
}

/// `412 B`, `30.5 KiB`, `16.0 MiB`.
fn bytes(count: u64) -> String {
    const KIB: f64 = 1024.0;
    let bytes = count as f64;
    if bytes < KIB {
        format!("{count} B")
    } else if bytes < KIB * KIB {
        format!("{:.1} KiB", bytes / KIB)
    } else if bytes < KIB * KIB * KIB {
        format!("{:.1} MiB", bytes / KIB / KIB)
    } else {
        format!("{:.1} GiB", bytes / KIB / KIB / KIB)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        let sizes = [0, 1023, 1024, 31_232, 16 * 1024 * 1024, 4 << 30].map(bytes);
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "30.5 KiB", "16.0 MiB", "4.0 GiB"]);
    }

    #[test]
    fn settings_are_listed_by_name() {
        let schema = serde_json::json!({
            "properties": {"roles": {"type": "array", "description": "who may\u{1b}[2J"}, "limit": {"type": ["integer", "null"]}},
            "required": ["roles"]
        });
        assert_eq!(settings(&schema), ["limit", "roles (array), required: who may\\u{1b}[2J"]);
        assert_eq!(settings(&serde_json::json!({"properties": {}})), ["none"]);
        assert_eq!(settings(&serde_json::json!(true)), ["see the schema in --format json"]);
    }
}
