//! Cases: `cases/*.json` beside a policy, each a list of requests with what the policy should say. Read strictly: a
//! misspelt member would otherwise be an expectation that nobody checks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use jiff::{SignedDuration, Timestamp};
use portcullis_gate::{Document, Fault, Outcome, PastDecision, Request, Requirement};
use serde::Deserialize;

/// A case, ready to be run.
#[derive(Debug)]
pub struct Case {
    /// One sentence, unique among the policy's cases.
    pub name: String,
    /// The file that it is in.
    pub file: PathBuf,
    /// The request, at the case's time.
    pub request: Request,
    /// What `configure` gets.
    pub settings: String,
    /// The file that it is from, as seen from the folder of cases; `None` where the case itself has the settings.
    pub settings_file: Option<PathBuf>,
    /// The reference documents, as JSON text.
    pub data: BTreeMap<String, String>,
    /// What the ledger holds; `None` where the policy gets no history.
    pub past: Option<Vec<PastDecision>>,
    /// What the policy should say.
    pub expect: Expect,
}

/// What a policy should say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The strictest finding's outcome, `abstain`, or a fault's code.
    pub outcome: String,
    /// The codes of the findings, in the policy's order.
    #[serde(default)]
    pub codes: Vec<String>,
    /// The requirements of the findings that have one, in order. Absent: not compared.
    pub requirements: Option<Vec<serde_json::Value>>,
    /// The kinds of the obligations, in order. Absent: not compared.
    pub obligations: Option<Vec<String>>,
}

/// A case as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    request: serde_json::Value,
    settings: Option<serde_json::Value>,
    settings_file: Option<PathBuf>,
    #[serde(default)]
    data: BTreeMap<String, serde_json::Value>,
    past: Option<Vec<WrittenPast>>,
    now: Option<String>,
    expect: Expect,
}

/// A past decision as it is written: so many minutes before the case's `now`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPast {
    action: String,
    resource: WrittenResource,
    outcome: Outcome,
    minutes_ago: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenResource {
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

/// The clock of a case that does not say `now`: a Saturday.
const DEFAULT_NOW: &str = "2026-03-14T09:30:00Z";

/// Reads the cases of a policy, in the order of the files' names and of the lists.
///
/// # Errors
/// The folder or a file cannot be read, or a case is malformed: names file, case and member.
pub fn read(folder: &Path) -> anyhow::Result<Vec<Case>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let mut cases: Vec<Case> = Vec::new();
    for file in files {
        for case in read_file(&file)? {
            if let Some(other) = cases.iter().find(|other| other.name == case.name) {
                bail!(
                    "{}: a case is named {:?}, as one in {}; give each a name of its own",
                    file.display(),
                    case.name,
                    other.file.display()
                );
            }
            cases.push(case);
        }
    }
    Ok(cases)
}

/// Reads one file of cases.
///
/// # Errors
/// As for [`read`].
pub fn read_file(file: &Path) -> anyhow::Result<Vec<Case>> {
    let shown = file.display();
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {shown}"))?;
    let document = Document::parse(&bytes).with_context(|| shown.to_string())?;
    let written: Vec<serde_json::Value> =
        serde_json::from_str(document.text()).with_context(|| format!("{shown}: not a list of cases"))?;
    let cases = written.into_iter().enumerate().map(|(n, written)| {
        let place = match written.get("name").and_then(serde_json::Value::as_str) {
            Some(name) => format!("{shown}: case {name:?}"),
            None => format!("{shown}: case {n}, counted from 0"),
        };
        serde_json::from_value(written)
            .map_err(anyhow::Error::from)
            .and_then(|written| case(written, file))
            .context(place)
    });
    cases.collect()
}

fn case(written: Written, file: &Path) -> anyhow::Result<Case> {
    let settings = match (&written.settings, &written.settings_file) {
        (Some(_), Some(_)) => bail!("has both `settings` and `settings_file`; keep one"),
        (Some(settings), None) => settings.to_string(),
        (None, None) => "{}".to_owned(),
        (None, Some(path)) => {
            let path = file.parent().unwrap_or(Path::new("")).join(path);
            std::fs::read_to_string(&path).with_context(|| format!("settings_file: cannot read {}", path.display()))?
        }
    };
    let now: Timestamp = written.now.as_deref().unwrap_or(DEFAULT_NOW).parse().context("`now` is not RFC 3339")?;
    let request = Request::parse(written.request.to_string().as_bytes(), now).context("`request`")?;
    check(&written.expect)?;
    let data = written.data.into_iter().map(|(name, document)| (name, document.to_string())).collect();
    let past = written.past.map(|past| past.into_iter().map(|past| past_decision(past, request.now())).collect());
    let past = past.transpose().context("`past`")?;
    Ok(Case {
        name: written.name,
        file: file.to_owned(),
        request,
        settings,
        settings_file: written.settings_file,
        data,
        past,
        expect: written.expect,
    })
}

/// Reads past decisions as a case's `past` has them, before `now`. The text is strict JSON.
///
/// # Errors
/// It is no list of them.
pub fn past(text: &str, now: Timestamp) -> anyhow::Result<Vec<PastDecision>> {
    let past: Vec<WrittenPast> = serde_json::from_str(text)?;
    past.into_iter().map(|past| past_decision(past, now)).collect()
}

fn past_decision(past: WrittenPast, now: Timestamp) -> anyhow::Result<PastDecision> {
    Ok(PastDecision {
        now: now.checked_sub(SignedDuration::from_mins(past.minutes_ago.into())).context("`minutes_ago`")?,
        action: past.action,
        resource_type: past.resource.kind,
        resource_id: past.resource.id,
        outcome: past.outcome,
    })
}

/// An expectation that no policy could meet is a mistake in the case.
fn check(expect: &Expect) -> anyhow::Result<()> {
    let outcome = expect.outcome.as_str();
    let says_findings = Outcome::from_name(outcome).is_some();
    if !says_findings && outcome != "abstain" && Fault::from_code(outcome).is_none() {
        bail!("`expect.outcome` is {outcome:?}: it is an outcome, `abstain`, or a fault's code such as `fault.fuel`");
    }
    if says_findings && expect.codes.is_empty() {
        bail!("`expect.outcome` is {outcome:?} and `expect.codes` is empty: name the codes of the findings");
    }
    if !says_findings && !expect.codes.is_empty() {
        bail!("`expect.outcome` is {outcome:?} and `expect.codes` is not empty: there are no findings then");
    }
    for (n, written) in expect.requirements.iter().flatten().enumerate() {
        let requirement: Requirement =
            serde_json::from_value(written.clone()).with_context(|| format!("`expect.requirements[{n}]`"))?;
        if serde_json::to_value(&requirement)? != *written {
            bail!("`expect.requirements[{n}]` has members that a requirement of its kind does not have");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str =
        r#"{"subject":{"type":"user","id":"a"},"action":{"name":"b"},"resource":{"type":"c","id":"d"}}"#;

    fn read_text(text: &str) -> Result<Vec<Case>, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("some.json"), text).unwrap();
        std::fs::write(folder.path().join("notes.txt"), "not a case").unwrap();
        std::fs::write(folder.path().join("settings"), " {\"a\": 1}\n").unwrap();
        read(folder.path()).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn reads_a_case_with_its_defaults() {
        let text = format!(
            r#"[{{"name":"one","request":{REQUEST},"expect":{{"outcome":"abstain"}}}},
                {{"name":"two","request":{REQUEST},"settings_file":"settings","data":{{"x":[1]}},"now":"2027-01-01T00:00:00+01:00",
                  "expect":{{"outcome":"defer","codes":["a.b.c"],"requirements":[{{"kind":"provide","pointer":"/x"}}]}}}}]"#
        );
        let cases = read_text(&text).unwrap();
        assert_eq!(cases.len(), 2);
        assert_eq!((cases[0].settings.as_str(), cases[0].request.now_text()), ("{}", "2026-03-14T09:30:00.000Z"));
        assert!(cases[0].expect.requirements.is_none() && cases[0].expect.codes.is_empty());
        assert_eq!(
            (cases[1].settings.as_str(), cases[1].request.now_text()),
            (" {\"a\": 1}\n", "2026-12-31T23:00:00.000Z")
        );
        assert_eq!(cases[1].data["x"], "[1]");
    }

    #[test]
    fn reads_past_decisions_as_times() {
        let case = |name: &str, past: &str| {
            format!(r#"{{"name":"{name}","request":{REQUEST},{past} "expect":{{"outcome":"abstain"}}}}"#)
        };
        let one =
            r#""past":[{"action":"deploy","resource":{"type":"service","id":"a"},"outcome":"warn","minutes_ago":31}],"#;
        let text = format!("[{},{},{}]", case("one", one), case("none", r#""past":[],"#), case("no history", ""));
        let cases = read_text(&text).unwrap();
        let [past] = cases[0].past.as_deref().unwrap() else { panic!("one") };
        assert_eq!((past.now.to_string().as_str(), past.outcome), ("2026-03-14T08:59:00Z", Outcome::Warn));
        let texts = (past.action.as_str(), past.resource_type.as_str(), past.resource_id.as_str());
        assert_eq!(texts, ("deploy", "service", "a"));
        assert_eq!((cases[1].past.as_deref(), cases[2].past.as_deref()), (Some(&[][..]), None));
        for (from, to) in [("\"warn\"", "\"permit\""), ("31", "-31"), ("\"service\",", "\"service\",\"of\":1,")] {
            let error = read_text(&text.replacen(from, to, 1)).map(|cases| cases.len()).unwrap_err();
            assert!(error.contains("case \"one\""), "{error}");
        }
    }

    #[test]
    fn refuses_what_would_not_be_checked() {
        let case = |members: &str| format!(r#"[{{"name":"one","request":{REQUEST},{members}}}]"#);
        let expect = |members: &str| case(&format!(r#""expect":{{{members}}}"#));
        let twice = case(r#""expect":{"outcome":"abstain"}"#).replace("[{", "[{\"name\":\"one\",").replacen(
            "\"name\":\"one\",",
            "",
            1,
        );
        let same = format!("{},{}", twice.trim_end_matches(']'), twice.trim_start_matches('['));
        for (text, says) in [
            (case(r#""expected":{}"#), "unknown field `expected`"),
            (case(r#""settings":1"#), "missing field `expect`"),
            (expect(r#""outcome":"allow","code":["a.b.c"]"#), "unknown field `code`"),
            (expect(r#""outcome":"abstain","outcome":"abstain""#), "the key \"outcome\" appears twice"),
            (expect(r#""outcome":"permit""#), "`expect.outcome` is \"permit\""),
            (expect(r#""outcome":"fault.nothing""#), "`expect.outcome` is"),
            (expect(r#""outcome":"allow""#), "`expect.codes` is empty"),
            (expect(r#""outcome":"abstain","codes":["a.b.c"]"#), "`expect.codes` is not empty"),
            (
                expect(r#""outcome":"defer","codes":["a.b.c"],"requirements":[{"kind":"wait"}]"#),
                "unknown variant `wait`",
            ),
            (
                expect(
                    r#""outcome":"defer","codes":["a.b.c"],"requirements":[{"kind":"provide","pointer":"/x","by":1}]"#,
                ),
                "members that a requirement of its kind does not have",
            ),
            (case(r#""now":"noon","expect":{"outcome":"abstain"}"#), "`now` is not RFC 3339"),
            (case(r#""settings":{},"settings_file":"x","expect":{"outcome":"abstain"}"#), "keep one"),
            (case(r#""settings_file":"x","expect":{"outcome":"abstain"}"#), "cannot read"),
            (expect(r#""outcome":"abstain""#).replace("\"subject\"", "\"object\""), "unknown member \"object\""),
            (same, "give each a name of its own"),
            ("{}".to_owned(), "not a list of cases"),
        ] {
            let error = read_text(&text).map(|cases| cases.len()).unwrap_err();
            assert!(error.contains("some.json") && error.contains(says), "{error} does not say {says}");
        }
    }
}
