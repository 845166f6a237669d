//! Rego and Cedar in a sandbox, each beside its own engine outside of one: the same policy, the same request.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use portcullis::{DecideOptions, Engine, EngineOptions, HistorySource, PolicySet};
use portcullis_bench::{Case, Figure, measure};
use portcullis_gate::Request;
use serde_json::{Value, json};

use crate::{ROUNDS, TURN, cedar, documents, rego};

const REGO: &str = include_str!("../../peers/deploy.rego");
const CEDAR: &str = include_str!("../../peers/deploy.cedar");

/// Measures the group; says on standard error what loading each took.
pub fn figures(root: &Path, quick: bool) -> anyhow::Result<Vec<Figure>> {
    let document = documents::all(root)?.into_iter().next().context("no documents")?;
    let text = document.text.as_str();
    let request = Request::parse(text.as_bytes(), "2026-03-14T09:30:00Z".parse()?)?;

    let (native_rego, native_cedar) = (rego::Rego::new(REGO)?, cedar::Cedar::new(CEDAR)?);
    let (rego_parsed, cedar_parsed) = (native_rego.parse(text)?, native_cedar.parse(text)?);
    let engine = Engine::new(&EngineOptions::default())?;
    let rego_fields = open(root, &engine, "rego", rego_settings(true))?;
    let rego_whole = open(root, &engine, "rego", rego_settings(false))?;
    let cedar_fields = open(root, &engine, "cedar", cedar_settings())?;

    // What is compared must say the same.
    let expected = native_rego.said(text)?.replace("bench.deploy", "policy.rego.bench.deploy");
    for set in [&rego_fields, &rego_whole] {
        anyhow::ensure!(said(set, &request) == expected, "rego says {}, not {expected}", said(set, &request));
    }
    anyhow::ensure!(native_cedar.denies(text)?, "cedar-policy allows");
    let denied = said(&cedar_fields, &request);
    anyhow::ensure!(denied.starts_with("deny policy.cedar.bench.deploy.role "), "cedar says {denied}");

    let mut cases = vec![
        Case::new(GROUP, "cedar-policy, native, parsed request", || {
            black_box(native_cedar.decide(&cedar_parsed));
        }),
        Case::new(GROUP, "cedar-policy, native, from JSON text", || {
            black_box(native_cedar.parse(text).map(|parsed| native_cedar.decide(&parsed)).ok());
        }),
        Case::new(GROUP, "regorus, native, parsed request", || {
            black_box(native_rego.decide(rego_parsed.clone()).ok());
        }),
        Case::new(GROUP, "regorus, native, from JSON text", || {
            black_box(native_rego.parse(text).map(|parsed| native_rego.decide(parsed)).ok());
        }),
    ];
    for (name, set) in [("cedar", &cedar_fields), ("rego", &rego_fields)] {
        let policy = set.policies().first().and_then(|policy| policy.as_ref().ok()).context("no policy")?;
        let (name, request) = (format!("{name} in a sandbox, evaluation of a parsed request"), &request);
        cases.push(Case::new(GROUP, &name, move || {
            black_box(policy.evaluate(request));
        }));
    }
    for (name, set) in [
        ("cedar in a sandbox, decision on a parsed request", &cedar_fields),
        ("rego in a sandbox, decision on a parsed request", &rego_fields),
        ("rego in a sandbox, decision on the whole request as JSON text", &rego_whole),
    ] {
        let request = &request;
        cases.push(Case::new(GROUP, name, move || {
            black_box(set.decide(request, &DecideOptions::default(), &HistorySource::None));
        }));
    }
    Ok(measure(cases, if quick { 3 } else { ROUNDS }, TURN, |_| ()))
}

/// What a case is compared with.
pub fn base(name: &str) -> &'static str {
    match (name.starts_with("cedar"), name.contains("JSON text")) {
        (true, _) => "cedar-policy, native, parsed request",
        (false, false) => "regorus, native, parsed request",
        (false, true) => "regorus, native, from JSON text",
    }
}

/// The name of the group, also for `PORTCULLIS_BENCH_ONLY`.
pub const GROUP: &str = "engines";

fn open(root: &Path, engine: &Engine, name: &str, settings: Value) -> anyhow::Result<PolicySet> {
    let module = root.join(format!("target/policies/{name}.wasm"));
    anyhow::ensure!(module.is_file(), "{} is missing: make build-engine-policies", module.display());
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("settings.json"), settings.to_string())?;
    let manifest = format!(
        "portcullis = 1\nname = \"bench\"\n[[policy]]\nname = {name:?}\nmodule = {module:?}\nsettings-file = \"settings.json\"\n"
    );
    std::fs::write(folder.path().join("portcullis.toml"), manifest)?;
    let lock = PolicySet::lock(folder.path(), engine)?;
    std::fs::write(folder.path().join("portcullis.lock"), lock.lock.render())?;
    let started = Instant::now();
    let set = PolicySet::open(folder.path(), engine)?;
    eprintln!("{name}: loaded without a cache in {:.1} s", started.elapsed().as_secs_f64());
    Ok(set)
}

fn rego_settings(fields: bool) -> Value {
    let mut settings = json!({
        "modules": {"deploy.rego": REGO},
        "rules": {"data.bench.deploy.decision": "decision"},
        "data": {"settings": {"roles": ["platform_admin", "release_manager"],
            "environments": ["staging", "production"], "actions": ["deploy", "rollback"]}},
        "example": {"subject": {"properties": {"role": "developer"}}, "action": {"name": "deploy"},
            "resource": {"type": "service", "id": "x"}, "context": {"environment": "production"}}
    });
    if fields {
        let pointers = [
            "/subject/properties/role",
            "/action/name",
            "/resource/type",
            "/resource/id",
            "/context/environment",
            "/context/change/kind",
        ];
        let input: Value = pointers.into_iter().map(|pointer| (pointer.to_owned(), json!(pointer))).collect();
        if let Some(settings) = settings.as_object_mut() {
            settings.insert("input".to_owned(), input);
        }
    }
    settings
}

fn cedar_settings() -> Value {
    json!({
        "policies": {"deploy.cedar": CEDAR},
        "types": {"user": "User", "service": "Service"},
        "principal": {"attributes": {"role": "/subject/properties/role"}},
        "resource": {"attributes": {}},
        "context": {"environment": "/context/environment", "change": "/context/change"}
    })
}

/// Outcome, code and message of the first finding.
fn said(set: &PolicySet, request: &Request) -> String {
    let decision = set.decide(request, &DecideOptions::default(), &HistorySource::None);
    let finding = decision.findings().next().map(|finding| format!("{} {}", finding.code, finding.message));
    format!("{} {}", decision.outcome(), finding.unwrap_or_default())
}
