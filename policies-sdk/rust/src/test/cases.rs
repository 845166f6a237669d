use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use super::{Case, Fault, PastDecision};
use crate::json::{Json, Reader};
use crate::{Answer, Approval, Outcome, Policy, Requirement};

/// Runs the cases in a folder's `*.json` files, in the order of their names: lists of
/// `{"name", "request", "settings"?, "settings_file"?, "data"?, "past"?, "now"?, "expect": {"outcome", "codes"?,
/// "requirements"?, "obligations"?}}`. `past` lists the decisions that the ledger holds: `{"action", "resource": {"type",
/// "id"}, "outcome", "minutes_ago"}`.
///
/// ```ignore
/// #[test]
/// fn cases() {
///     portcullis_policy::test::cases::<Policy>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"));
/// }
/// ```
///
/// # Panics
/// If a case fails, naming each that does with what was expected and what came; if a file is malformed; or if there is
/// no case at all.
#[expect(clippy::panic, reason = "how a test fails")]
pub fn cases<P: Policy>(folder: impl AsRef<Path>) {
    let folder = folder.as_ref();
    let mut names = BTreeSet::new();
    let mut failures = String::new();
    for file in files(folder) {
        let shown = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let written: Vec<Written> = Reader::read_all(&text).unwrap_or_else(|problems| {
            let list: String =
                problems.iter().map(|problem| format!("\n  {} {}", problem.at, problem.message)).collect();
            panic!("{}:{list}", file.display())
        });
        for case in written {
            assert!(names.insert(case.name.clone()), "{shown}: two cases are named {:?}", case.name);
            if let Some(difference) = case.difference::<P>(folder) {
                let _ = write!(failures, "\n{shown}: {}{difference}\n", case.name);
            }
        }
    }
    assert!(!names.is_empty(), "{} has no cases", folder.display());
    assert!(failures.is_empty(), "{failures}");
}

/// A case as its file has it.
#[derive(portcullis_policy_macros::Settings)]
struct Written {
    name: String,
    request: Json,
    settings: Option<Json>,
    settings_file: Option<String>,
    #[setting(default)]
    data: BTreeMap<String, Json>,
    past: Option<Vec<WrittenPast>>,
    now: Option<String>,
    expect: Expect,
}

#[derive(portcullis_policy_macros::Settings)]
struct WrittenPast {
    action: String,
    resource: WrittenResource,
    outcome: String,
    minutes_ago: u32,
}

#[derive(portcullis_policy_macros::Settings)]
struct WrittenResource {
    #[setting(rename = "type")]
    kind: String,
    id: String,
}

#[derive(portcullis_policy_macros::Settings)]
struct Expect {
    outcome: String,
    #[setting(default)]
    codes: Vec<String>,
    requirements: Option<Vec<Json>>,
    obligations: Option<Vec<String>>,
}

impl Written {
    #[expect(clippy::panic, reason = "how a test fails")]
    fn difference<P: Policy>(&self, folder: &Path) -> Option<String> {
        let settings = match (&self.settings, &self.settings_file) {
            (Some(_), Some(_)) => panic!("{}: both settings and settings_file", self.name),
            (Some(settings), None) => settings.to_string(),
            (None, Some(file)) => {
                let path = folder.join(file);
                std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
            }
            (None, None) => "{}".into(),
        };
        let mut case = Case::of::<P>().settings(&settings);
        case.request = self.request.clone();
        case.data = self.data.clone().into_iter().collect();
        if let Some(now) = &self.now {
            case = case.now(now);
        }
        if let Some(past) = &self.past {
            case = case.past(past.iter().map(|past| self.past_decision(past)));
        }
        let said = case.try_run();
        let mut difference = String::new();
        let mut compare = |what: &str, expected: String, got: String| {
            if expected != got {
                let _ = write!(
                    difference,
                    "\n  {what}: expected {expected}\n  {:width$}  got      {got}",
                    "",
                    width = what.len()
                );
            }
        };
        compare("outcome", self.expect.outcome.clone(), outcome(&said));
        let answer = said.as_ref().ok();
        compare(
            "codes",
            format!("{:?}", self.expect.codes),
            format!("{:?}", answer.map(Answer::codes).unwrap_or_default()),
        );
        if let Some(expected) = &self.expect.requirements {
            compare("requirements", listed(expected), listed(&answer.map(requirements).unwrap_or_default()));
        }
        if let Some(expected) = &self.expect.obligations {
            let kinds: Vec<_> = answer
                .map(|answer| answer.obligations.iter().map(|obligation| &*obligation.kind).collect())
                .unwrap_or_default();
            compare("obligations", format!("{expected:?}"), format!("{kinds:?}"));
        }
        if difference.is_empty() {
            return None;
        }
        match &said {
            Ok(answer) => {
                for finding in answer.as_findings() {
                    let _ = write!(
                        difference,
                        "\n  said {} {}: {}",
                        finding.outcome.as_str(),
                        finding.code,
                        finding.message
                    );
                }
            }
            Err(fault) => {
                let _ = write!(difference, "\n  {fault}");
            }
        }
        Some(difference)
    }
}

impl Written {
    #[expect(clippy::panic, reason = "how a test fails")]
    fn past_decision(&self, past: &WrittenPast) -> PastDecision {
        PastDecision {
            action: past.action.clone(),
            resource_type: past.resource.kind.clone(),
            resource_id: past.resource.id.clone(),
            outcome: Outcome::from_name(&past.outcome)
                .unwrap_or_else(|| panic!("{}: past: {:?} is no outcome", self.name, past.outcome)),
            minutes_ago: past.minutes_ago,
        }
    }
}

fn outcome(said: &Result<Answer, Fault>) -> String {
    match said {
        Ok(answer) => answer.outcome().map_or("abstain", Outcome::as_str).into(),
        Err(fault) => fault.code().into(),
    }
}

fn requirements(answer: &Answer) -> Vec<Json> {
    answer.as_findings().iter().filter_map(|finding| finding.requirement.as_ref()).map(requirement).collect()
}

fn requirement(requirement: &Requirement) -> Json {
    let text = |text: &str| Json::Text(text.into());
    let (kind, members) = match requirement {
        Requirement::Acknowledge(statement) => ("acknowledge", vec![("statement", text(statement))]),
        Requirement::Approve(Approval { roles, count, within_minutes }) => {
            let roles = Json::Array(roles.iter().map(|role| text(role)).collect());
            let mut members = vec![("roles", roles), ("count", Json::Integer(i64::from(*count)))];
            members.extend(within_minutes.map(|minutes| ("within_minutes", Json::Integer(i64::from(minutes)))));
            ("approve", members)
        }
        Requirement::Provide(pointer) => ("provide", vec![("pointer", text(pointer))]),
        Requirement::WaitUntil(time) => ("wait-until", vec![("time", text(time))]),
    };
    let members = std::iter::once(("kind", text(kind))).chain(members);
    Json::Object(members.map(|(key, value)| (key.to_owned(), value)).collect())
}

/// As text in which the order of members does not matter.
fn listed(list: &[Json]) -> String {
    let sorted = |json: &Json| match json {
        Json::Object(members) => {
            let mut members = members.clone();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            Json::Object(members)
        }
        other => other.clone(),
    };
    Json::Array(list.iter().map(sorted).collect()).to_string()
}

#[expect(clippy::panic, reason = "how a test fails")]
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
}
