//! The description that a policy carries as data, in the custom section `portcullis-policy`.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_gate::{Document, LimitKey, Limits, LoadFault, Pointer, is_policy_code};
use serde::Deserialize;

use crate::custom::{Customs, DESCRIPTION_SECTION};
use crate::stop::Stop;
use crate::{DataDocument, DeclaredInputs, Description, HistoryUse, ReasonCode, Report, text};

/// Largest description, in bytes.
pub const MAX_DESCRIPTION_BYTES: usize = 256 * 1024;

/// Fills the report from the description, if there is one.
pub(crate) fn read(customs: &Customs<'_>, report: &mut Report) -> Result<(), Stop> {
    let Some(bytes) = find(customs)? else { return Ok(()) };
    let raw = parse(bytes).map_err(|problem| {
        let detail = format!("the description in the custom section `{DESCRIPTION_SECTION}` {problem}: {MEND}");
        Stop::new(LoadFault::Format, detail)
    })?;
    report.declared_inputs = match raw.inputs {
        Inputs::Listed(pointers) => DeclaredInputs::Listed(pointers),
        Inputs::FromSettings(_) => DeclaredInputs::FromSettings,
    };
    report.settings_schema = raw.settings_schema.map(text::escaped_json);
    report.codes =
        raw.codes.into_iter().map(|code| ReasonCode { code: code.code, summary: line(&code.summary) }).collect();
    report.data_documents =
        raw.data.into_iter().map(|data| DataDocument { name: data.name, summary: line(&data.summary) }).collect();
    report.proposed_limits = raw.limits;
    report.history = raw.history.map(|history| HistoryUse { summary: line(&history.summary) });
    report.description = Some(Description {
        name: raw.name,
        version: raw.version,
        summary: line(&raw.summary),
        sdk: raw.sdk.as_deref().map(text::name),
    });
    Ok(())
}

/// The component's own description comes before what its core modules brought along.
fn find<'a>(customs: &Customs<'a>) -> Result<Option<&'a [u8]>, Stop> {
    let found = if customs.in_component.is_empty() { &customs.in_modules } else { &customs.in_component };
    let mut found = found.iter();
    let first = found.next().copied();
    if found.any(|other| Some(*other) != first) {
        let detail = format!("it has several custom sections `{DESCRIPTION_SECTION}` that differ: leave one");
        return Err(Stop::new(LoadFault::Format, detail));
    }
    Ok(first)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    version: String,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    settings_schema: Option<serde_json::Value>,
    #[serde(default)]
    codes: Vec<RawCode>,
    inputs: Inputs,
    #[serde(default)]
    data: Vec<RawData>,
    #[serde(default)]
    history: Option<RawHistory>,
    #[serde(default)]
    limits: BTreeMap<String, u64>,
    #[serde(default)]
    sdk: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCode {
    code: String,
    #[serde(default)]
    summary: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawData {
    name: String,
    #[serde(default)]
    summary: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHistory {
    summary: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Inputs {
    Listed(Vec<String>),
    FromSettings(FromSettings),
}

#[derive(Deserialize)]
enum FromSettings {
    #[serde(rename = "from-settings")]
    FromSettings,
}

fn parse(bytes: &[u8]) -> Result<Raw, String> {
    if bytes.len() > MAX_DESCRIPTION_BYTES {
        return Err(format!("has {} bytes, more than {MAX_DESCRIPTION_BYTES}", bytes.len()));
    }
    // Refuses what has two readings: duplicate keys, for example.
    let document = Document::parse(bytes).map_err(|error| format!("is malformed: {}", text::name(&error.message)))?;
    let raw: Raw = serde_json::from_str(document.text())
        .map_err(|error| format!("is malformed: {}", text::name(&error.to_string())))?;
    raw.check()?;
    Ok(raw)
}

impl Raw {
    fn check(&self) -> Result<(), String> {
        if !is_identifier(&self.name, MAX_NAME_BYTES) {
            return Err(format!(
                "has the name `{}`, not 1 to {MAX_NAME_BYTES} of a-z 0-9 - _ .",
                text::name(&self.name)
            ));
        }
        let version_ok = !self.version.is_empty()
            && self.version.len() <= MAX_VERSION_BYTES
            && self.version.bytes().all(|b| b.is_ascii_graphic());
        if !version_ok {
            return Err(format!("has the version `{}`, not like `1.2.3`", text::name(&self.version)));
        }
        if let Some(schema) = &self.settings_schema
            && !(schema.is_object() || schema.is_boolean() || schema.is_null())
        {
            return Err("has a settings schema that is no JSON schema: not an object".into());
        }
        if self.codes.len() > MAX_ENTRIES || self.data.len() > MAX_ENTRIES {
            return Err(format!("has more than {MAX_ENTRIES} codes or documents"));
        }
        let mut seen = BTreeSet::new();
        for RawCode { code, .. } in &self.codes {
            if !is_described_code(code) || !seen.insert(code) {
                return Err(format!(
                    "has the code `{}`, which is not `team.policy.reason` or is there twice",
                    text::name(code)
                ));
            }
        }
        let mut seen = BTreeSet::new();
        for RawData { name, .. } in &self.data {
            if !is_identifier(name, MAX_NAME_BYTES) || !seen.insert(name) {
                return Err(format!("names the document `{}`, which is malformed or there twice", text::name(name)));
            }
        }
        if self.history.as_ref().is_some_and(|history| history.summary.trim().is_empty()) {
            return Err("does not say what it reads the ledger's history for".into());
        }
        let mut limits = Limits::default();
        for (key, value) in &self.limits {
            let Some(limit) = LimitKey::named(key) else {
                return Err(format!("proposes the limit `{}`, which there is not", text::name(key)));
            };
            limit
                .set(&mut limits, *value)
                .map_err(|error| format!("proposes a limit that no set may give: {error}"))?;
        }
        let Inputs::Listed(inputs) = &self.inputs else { return Ok(()) };
        if inputs.len() > MAX_ENTRIES {
            return Err(format!("declares {} inputs, more than {MAX_ENTRIES}", inputs.len()));
        }
        let mut seen = BTreeSet::new();
        for input in inputs {
            let shown = text::name(input);
            Pointer::new(input)
                .map_err(|problem| format!("declares the input `{shown}`, no JSON pointer: {problem}"))?;
            if input.chars().any(text::is_unprintable) {
                return Err(format!("declares the input `{shown}`, which holds characters that cannot be shown"));
            }
            if !seen.insert(input) {
                return Err(format!("declares the input `{shown}` twice"));
            }
        }
        Ok(())
    }
}

/// A policy's code, or `team.policy.*`: codes that the settings name.
fn is_described_code(code: &str) -> bool {
    match code.strip_suffix(".*") {
        Some(prefix) => is_policy_code(&format!("{prefix}.any")),
        None => is_policy_code(code),
    }
}

fn is_identifier(text: &str, max_bytes: usize) -> bool {
    (1..=max_bytes).contains(&text.len())
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'))
}

fn line(summary: &str) -> String {
    text::escaped(summary, MAX_SUMMARY_BYTES)
}

const MAX_NAME_BYTES: usize = 128;
const MAX_VERSION_BYTES: usize = 64;
const MAX_SUMMARY_BYTES: usize = 2048;
/// Most inputs, codes and documents: as many inputs as `configure` may return.
const MAX_ENTRIES: usize = 1024;
const MEND: &str = "it is written by `portcullis policy build`; build the policy again";

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_gate::Sha256;

    fn fill(description: &str) -> Result<Report, Stop> {
        let mut report = Report::new(b"");
        assert_eq!(report.module_sha256, Sha256::of(b""));
        let customs = Customs { in_modules: vec![description.as_bytes()], ..Customs::default() };
        read(&customs, &mut report).map(|()| report)
    }

    #[test]
    fn reads_a_whole_description() {
        let report = fill(
            r#"{"name":"sample.gate","version":"0.1.0","summary":"Says\u001b[2J no.","settings_schema":{"type":"object"},
                "codes":[{"code":"sample.gate.no","summary":"No."}],"inputs":["/context/environment","/now"],
                "data":[{"name":"calendar","summary":"Days."}],"history":{"summary":"Counts\u0007 deploys."},
                "sdk":"portcullis-policy 0.1.0"}"#,
        )
        .unwrap();
        let inputs = vec!["/context/environment".to_owned(), "/now".to_owned()];
        assert_eq!(report.declared_inputs, DeclaredInputs::Listed(inputs));
        assert_eq!(report.settings_schema, Some(serde_json::json!({"type": "object"})));
        assert_eq!(report.codes[0].code, "sample.gate.no");
        assert_eq!(report.data_documents[0].name, "calendar");
        assert_eq!(report.history.unwrap().summary, "Counts\\u{7} deploys.");
        let description = report.description.unwrap();
        assert_eq!(description.summary, "Says\\u{1b}[2J no.");
        assert_eq!(description.sdk.as_deref(), Some("portcullis-policy 0.1.0"));
    }

    #[test]
    fn inputs_may_depend_on_the_settings() {
        let report = fill(r#"{"name":"a","version":"1","inputs":"from-settings"}"#).unwrap();
        assert_eq!(report.declared_inputs, DeclaredInputs::FromSettings);
        assert_eq!(report.settings_schema, None);
    }

    #[test]
    fn codes_may_depend_on_the_settings() {
        let described =
            |code: &str| fill(&format!(r#"{{"name":"a","version":"1","inputs":[],"codes":[{{"code":"{code}"}}]}}"#));
        assert_eq!(described("a.b.*").unwrap().codes[0].code, "a.b.*");
        for code in ["*", "a.*", "a.b*", "a.*.b", "a.*.*", "fault.b.*", "portcullis.b.*"] {
            assert!(described(code).is_err(), "{code}");
        }
    }

    #[test]
    fn proposed_limits_are_in_the_report_and_raise_but_never_lower() {
        let report =
            fill(r#"{"name":"a","version":"1","inputs":[],"limits":{"memory-mib":64,"fuel":1,"time-ms":200}}"#)
                .unwrap();
        assert_eq!(report.proposed_limits.len(), 3);
        let given = Limits { time_ms: 1_000, ..Limits::default() };
        let raised = report.raised(given);
        assert_eq!(raised, Limits { memory_bytes: 64 * 1024 * 1024, ..given });
        assert_eq!(report.lacking(&given), [("memory-mib", 64)]);
        assert_eq!(report.lacking(&raised), []);
        assert_eq!(fill(r#"{"name":"a","version":"1","inputs":[]}"#).unwrap().raised(given), given);
    }

    #[test]
    fn refuses_what_is_malformed() {
        let large =
            format!(r#"{{"name":"a","version":"1","inputs":[],"summary":"{}"}}"#, "x".repeat(MAX_DESCRIPTION_BYTES));
        for (description, expected) in [
            ("", "malformed"),
            ("{}", "missing field"),
            (large.as_str(), "more than 262144"),
            (r#"{"name":"a","name":"b","version":"1","inputs":[]}"#, "malformed"),
            (r#"{"name":"a","version":"1","inputs":[],"extra":1}"#, "unknown field"),
            (r#"{"name":"A b","version":"1","inputs":[]}"#, "the name"),
            (r#"{"name":"a","version":"1 2","inputs":[]}"#, "the version"),
            (r#"{"name":"a","version":"1","inputs":["x"]}"#, "no JSON pointer"),
            (r#"{"name":"a","version":"1","inputs":["/a\u202eb"]}"#, "cannot be shown"),
            (r#"{"name":"a","version":"1","inputs":["/a","/a"]}"#, "twice"),
            (r#"{"name":"a","version":"1","inputs":"everything"}"#, "malformed"),
            (r#"{"name":"a","version":"1","inputs":[],"codes":[{"code":"fault.fuel"}]}"#, "the code"),
            (r#"{"name":"a","version":"1","inputs":[],"data":[{"name":"a/b"}]}"#, "the document"),
            (r#"{"name":"a","version":"1","inputs":[],"settings_schema":[]}"#, "settings schema"),
            (r#"{"name":"a","version":"1","inputs":[],"limits":{"memory":1}}"#, "`memory`, which there is not"),
            (r#"{"name":"a","version":"1","inputs":[],"limits":{"memory-mib":0}}"#, "must be 1 to"),
            (r#"{"name":"a","version":"1","inputs":[],"limits":{"memory-mib":1025}}"#, "must be 1 to"),
            (r#"{"name":"a","version":"1","inputs":[],"limits":{"memory-mib":"64"}}"#, "malformed"),
            (r#"{"name":"a","version":"1","inputs":[],"history":true}"#, "malformed"),
            (r#"{"name":"a","version":"1","inputs":[],"history":{}}"#, "missing field"),
            (r#"{"name":"a","version":"1","inputs":[],"history":{"summary":" "}}"#, "history for"),
            (r#"{"name":"a","version":"1","inputs":[],"history":{"summary":"x","limit":1}}"#, "unknown field"),
        ] {
            let stop = fill(description).unwrap_err();
            assert_eq!(stop.fault, LoadFault::Format);
            assert!(stop.detail.contains(expected), "{description}: {}", stop.detail);
        }
        let inputs: Vec<String> = (0..1025).map(|n| format!("\"/{n}\"")).collect();
        let many = format!(r#"{{"name":"a","version":"1","inputs":[{}]}}"#, inputs.join(","));
        assert!(fill(&many).unwrap_err().detail.contains("1025 inputs"));
    }

    #[test]
    fn the_components_own_description_wins_and_two_that_differ_are_refused() {
        let (a, b) =
            (&br#"{"name":"a","version":"1","inputs":[]}"#[..], &br#"{"name":"b","version":"1","inputs":[]}"#[..]);
        let mut report = Report::new(b"");
        let customs = Customs { in_component: vec![a, a], in_modules: vec![b], ..Customs::default() };
        read(&customs, &mut report).unwrap();
        assert_eq!(report.description.as_ref().unwrap().name, "a");
        let customs = Customs { in_modules: vec![a, b], ..Customs::default() };
        assert!(read(&customs, &mut report).unwrap_err().detail.contains("several"));
    }
}
