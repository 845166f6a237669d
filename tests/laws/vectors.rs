//! The conformance vectors: small cases as data, their decisions worked out by hand.

use std::collections::BTreeMap;
use std::path::Path;

use portcullis_gate::{
    Answer, Decision, Fault, Faulted, Finding, Manifest, Obligation, Outcome, PolicyRun, Request, Requirement, Said,
    Verdict,
};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::gate;

#[test]
fn decisions_are_as_the_vectors_say() {
    let vectors: Vectors = serde_json::from_str(&text()).unwrap();
    assert_eq!(vectors.format, "portcullis decision vectors, 1");
    let mut names: Vec<&str> = vectors.cases.iter().map(|vector| vector.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), vectors.cases.len(), "two vectors have one name");
    assert_eq!(names.len(), VECTORS);
    let wrong: Vec<String> = vectors
        .cases
        .iter()
        .filter_map(|vector| {
            let decision = decide(vector, &vectors);
            let found = found(&decision);
            (found != vector.expect)
                .then(|| format!("{}:\nexpected {:?}\nfound    {found:?}\n", vector.name, vector.expect))
        })
        .collect();
    assert!(wrong.is_empty(), "{} vectors:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn unknown_fields_are_refused() {
    for place in ["\"cases\":", "\"set\":", "\"outcome\":", "\"count\": 2", "\"kind\": \"review\""] {
        let text = text();
        let with = text.replacen(place, &format!("\"unknown\": 1, {place}"), 1);
        assert!(with != text && serde_json::from_str::<Vectors>(&with).is_err(), "{place}");
    }
}

fn text() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/decisions.json")).unwrap()
}

const VECTORS: usize = 79;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    format: String,
    #[serde(rename = "about")]
    _about: Vec<String>,
    now: String,
    request: Value,
    cases: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    now: Option<String>,
    request: Option<Value>,
    set: Set,
    results: BTreeMap<String, Given>,
    expect: Expected,
}

/// The manifest's members that decide; their contents are the manifest's own and are checked by the gate.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    absent: Option<String>,
    policies: Vec<BTreeMap<String, Value>>,
    tree: Option<Value>,
    #[serde(default)]
    waivers: Vec<BTreeMap<String, Value>>,
}

/// `abstain`, an outcome or a fault's code; or an answer.
#[derive(Deserialize)]
#[serde(untagged)]
enum Given {
    Short(String),
    Answer(Written),
}

/// With findings, or with `abstain`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    abstain: bool,
    findings: Option<Vec<WrittenFinding>>,
    #[serde(default, deserialize_with = "strict")]
    obligations: Vec<Obligation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFinding {
    outcome: Outcome,
    code: String,
    #[serde(default, deserialize_with = "strict")]
    requirement: Option<Requirement>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    outcome: Outcome,
    proceed: bool,
    degraded: bool,
    /// Ran, abstained, skipped, faulted.
    evaluated: [usize; 4],
    counted: BTreeMap<String, Option<Outcome>>,
    contributes: Vec<String>,
    /// Counted as, code, policy.
    findings: Vec<(Outcome, String, String)>,
    #[serde(default, deserialize_with = "strict")]
    requirements: Vec<Requirement>,
    /// Kind, policy.
    #[serde(default)]
    obligations: Vec<(String, String)>,
    #[serde(default)]
    waivers: Vec<String>,
}

/// For the gate's own types, which do not deny unknown fields: what is read must be all that is written.
fn strict<'de, D: Deserializer<'de>, T: DeserializeOwned + Serialize>(deserializer: D) -> Result<T, D::Error> {
    let written = Value::deserialize(deserializer)?;
    let read: T = serde_json::from_value(written.clone()).map_err(D::Error::custom)?;
    let again = serde_json::to_value(&read).map_err(D::Error::custom)?;
    if again == written { Ok(read) } else { Err(D::Error::custom(format!("{written} is read as {again}"))) }
}

fn decide(vector: &Vector, vectors: &Vectors) -> Decision {
    let now = vector.now.as_ref().unwrap_or(&vectors.now).parse().unwrap();
    let definition = Manifest::parse(&vector.name, manifest(&vector.set).as_bytes(), now)
        .unwrap_or_else(|problems| panic!("{}: {problems}", vector.name))
        .definition;
    let request = vector.request.as_ref().unwrap_or(&vectors.request);
    let request = Request::parse(request.to_string().as_bytes(), now).unwrap();
    let names: Vec<String> = definition.policies().iter().map(|policy| policy.name.clone()).collect();
    for name in vector.results.keys() {
        assert!(names.contains(name), "{}: {name} is no policy of the set", vector.name);
    }
    let runs = names.iter().map(|name| vector.results.get(name).map(|result| run(name, result))).collect();
    gate::decision(&gate::pinned(definition), &request, runs)
}

fn run(name: &str, result: &Given) -> PolicyRun {
    let finding = |outcome, code: &str, requirement: &Option<Requirement>| Finding {
        outcome,
        code: code.into(),
        message: "as the vector says".into(),
        at: None,
        requirement: requirement.clone(),
    };
    let answer =
        |verdict, obligations: &[Obligation]| Said::Answer(Answer { verdict, obligations: obligations.into() });
    let said = match result {
        Given::Short(word) if word == "abstain" => answer(Verdict::Abstain, &[]),
        Given::Short(word) => match (Outcome::from_name(word), Fault::from_code(word)) {
            (Some(outcome), _) => {
                answer(Verdict::Findings(vec![finding(outcome, &format!("team.{name}.{outcome}"), &None)]), &[])
            }
            (None, Some(fault)) => Said::Fault(Faulted { fault, detail: "as the vector says".into() }),
            (None, None) => panic!("{word} is no result"),
        },
        Given::Answer(Written { abstain: true, findings: None, obligations }) => answer(Verdict::Abstain, obligations),
        Given::Answer(Written { abstain: false, findings: Some(findings), obligations }) => {
            let findings = findings.iter().map(|f| finding(f.outcome, &f.code, &f.requirement)).collect();
            answer(Verdict::Findings(findings), obligations)
        }
        Given::Answer(_) => panic!("{name}: either abstain or findings"),
    };
    PolicyRun { said, fuel: 0, duration_us: 0, history: Vec::new() }
}

fn found(decision: &Decision) -> Expected {
    let evaluated = decision.evaluated();
    Expected {
        outcome: decision.outcome(),
        proceed: decision.proceeds(),
        degraded: decision.degraded(),
        evaluated: [evaluated.ran, evaluated.abstained, evaluated.skipped, evaluated.faulted],
        counted: decision.policies().map(|policy| (policy.name.into(), policy.counted_as)).collect(),
        contributes: decision.policies().filter(|p| p.contributes).map(|policy| policy.name.into()).collect(),
        findings: decision
            .findings()
            .map(|finding| {
                (finding.outcome, finding.code.into(), finding.policy.map_or_else(|| "nobody".into(), Into::into))
            })
            .collect(),
        requirements: decision.requirements().into_iter().cloned().collect(),
        obligations: decision.obligations().map(|o| (o.kind.into(), o.policy.into())).collect(),
        waivers: decision
            .waivers()
            .map(|waiver| serde_json::to_value(waiver.status).unwrap().as_str().unwrap().into())
            .collect(),
    }
}

/// The set as the manifest that a person would write.
fn manifest(set: &Set) -> String {
    let mut text = "portcullis = 1\nname = \"vectors\"\n".to_owned();
    if let Some(absent) = &set.absent {
        text += &format!("absent = \"{absent}\"\n");
    }
    for policy in &set.policies {
        text += "[[policy]]\nmodule = \"policy.wasm\"\n";
        policy.iter().for_each(|(key, value)| text += &format!("{key} = {}\n", toml(value)));
    }
    if let Some(Value::Object(tree)) = &set.tree {
        text += "[tree]\n";
        tree.iter().for_each(|(key, value)| text += &format!("{key} = {}\n", toml(value)));
    }
    for waiver in &set.waivers {
        text += "[[waiver]]\nreason = \"as the vector says\"\nowner = \"alice@example.com\"\n";
        for (key, value) in waiver {
            let value = if key == "until" { value.as_str().unwrap().to_owned() } else { toml(value) };
            text += &format!("{key} = {value}\n");
        }
    }
    text
}

/// JSON scalars and arrays are TOML as they stand; objects become inline tables.
fn toml(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| format!("{} = {}", Value::from(key.as_str()), toml(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        scalar => scalar.to_string(),
    }
}
