use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portcullis_engine::{Engine, EngineOptions, PolicySource};
use portcullis_gate::{Document, Limits, Request, Said, Verdict};
use portcullis_inspect::WorldVerdict;

use crate::site::{Case, LANGUAGES, Site, available, report, said, say, toolchains};

/// Same findings, messages, requirements and obligations in every language, and for the same reasons no answer.
#[test]
fn the_same_policy_in_every_language() {
    let site = Site::new();
    let waiting: Mutex<Vec<&str>> = Mutex::new(
        LANGUAGES
            .iter()
            .rev()
            .filter(|(language, registry)| available(language, *registry))
            .map(|(name, _)| *name)
            .collect(),
    );
    let told: Mutex<BTreeMap<&str, BTreeMap<String, Said>>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(language) = waiting.lock().unwrap().pop() else { return };
                    let said = scaffold(&site, language);
                    told.lock().unwrap().insert(language, said);
                }
            });
        }
    });
    let told = told.into_inner().unwrap();
    let rust = &told["rust"];
    assert_eq!(rust.len(), 14);
    for (language, said) in &told {
        for (case, expected) in rust {
            match (expected, &said[case]) {
                // Each language has its own words for what is wrong with its settings or inputs.
                (Said::Fault(expected), Said::Fault(found)) => {
                    assert_eq!(expected.fault, found.fault, "{language}: {case}: {}", found.detail);
                    assert!(!found.detail.is_empty(), "{language}: {case}");
                }
                (expected, found) => assert_eq!(expected, found, "{language}: {case}"),
            }
        }
    }
    let outcomes: Vec<_> = rust.values().filter_map(outcome).collect();
    for outcome in ["abstain", "allow", "warn", "escalate", "deny"] {
        assert!(outcomes.contains(&outcome), "no case gives {outcome}: {outcomes:?}");
    }
}

fn outcome(said: &Said) -> Option<&'static str> {
    let Said::Answer(answer) = said else { return None };
    match &answer.verdict {
        Verdict::Abstain => Some("abstain"),
        Verdict::Findings(findings) => findings.iter().map(|finding| finding.outcome).max().map(|it| it.as_str()),
    }
}

/// Begins, builds and tests a policy; what its component says.
fn scaffold(site: &Site, language: &str) -> BTreeMap<String, Said> {
    let name = "change-ticket";
    let folder = format!("in-{language}");
    let clock = Instant::now();
    site.done(&["policy", "new", name, "--lang", language, "--out", &folder]);
    site.done(&["policy", "build", &folder]);
    let built = clock.elapsed();
    let (passed, _) = site.done(&["policy", "test", &folder]);
    let tested = clock.elapsed();
    assert!(passed.contains("\n14 passed, 0 failed\n"), "{language}: {passed}");
    assert!(!passed.contains("note:"), "{language}: every code is described and reached: {passed}");

    native_tests(site, language, &folder);
    if matches!(language, "c" | "go") {
        let again = format!("again-{language}.wasm");
        site.done(&["policy", "build", &folder, "--out", &again]);
        let bytes = |path: &str| std::fs::read(site.path().join(path)).unwrap();
        assert!(bytes(&again) == bytes(&format!("{folder}/{name}.wasm")), "{language}: two builds differ");
    }

    let module = std::fs::read(site.path().join(&folder).join(format!("{name}.wasm"))).unwrap();
    let report = report(&module);
    assert_eq!(report.world.verdict, WorldVerdict::Matches, "{language}");
    assert!(report.calls.is_empty(), "{language} imports {:?}", report.calls);
    let exports: Vec<&str> = report.exports.iter().map(|export| export.name.as_str()).collect();
    assert_eq!(exports, ["configure", "evaluate"], "{language}");
    let description = report.description.unwrap();
    assert_eq!(description.name, format!("example.{name}"), "{language}");
    assert!(description.sdk.is_some_and(|sdk| sdk.starts_with("portcullis-policy ")), "{language}");
    assert_eq!(report.codes.len(), 6, "{language}");
    assert_eq!(report.settings_schema.unwrap()["properties"]["escalate_from"]["default"], 70, "{language}");

    let seconds = |time: Duration| time.as_secs_f64();
    let kib = module.len() / 1024;
    say(&format!("{language}: built in {:.1} s, first test after {:.1} s, {kib} KiB", seconds(built), seconds(tested)));
    let cases: Vec<Case> =
        serde_json::from_slice(&std::fs::read(site.path().join(&folder).join("cases/policy.json")).unwrap()).unwrap();
    said(&site.engine(), &module, &cases)
}

/// The unit tests that the scaffold brings, without WebAssembly.
fn native_tests(site: &Site, language: &str, folder: &str) {
    let mut command = match language {
        "rust" => {
            let mut cargo = Command::new(env!("CARGO"));
            // Flags and folders of this test's own build are not the scaffold's.
            cargo.args(["test", "--quiet"]).env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
            cargo
        }
        "javascript" => {
            let mut node = Command::new("node");
            node.args(["--test", "--no-warnings"]);
            node
        }
        "python" => {
            let mut python = Command::new("python3");
            python.args(["-B", "-m", "unittest"]);
            python
        }
        "go" => {
            let mut go = Command::new(fetched_go().unwrap_or_else(|| "go".into()));
            go.args(["test", "."]).env("GOTOOLCHAIN", "local").env("GOCACHE", toolchains().join("go-cache"));
            go
        }
        _ => return,
    };
    let output = command.current_dir(site.path().join(folder)).output().unwrap();
    let text = [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat();
    assert!(output.status.success(), "{language}: {text}");
    let ran = match language {
        "rust" => "1 passed",
        "javascript" => "# pass 2",
        "python" => "Ran 2 tests",
        _ => "ok  ",
    };
    assert!(text.contains(ran), "{language}: {text}");
}

/// `None` where the user's own Go is used, which is on the path then.
fn fetched_go() -> Option<PathBuf> {
    let entries = std::fs::read_dir(toolchains()).ok()?;
    let mut candidates = entries.flatten().map(|entry| entry.path().join("go/bin/go"));
    candidates.find(|path| path.is_file()).and_then(|path| std::fs::canonicalize(path).ok())
}

/// With the engine that decides: whether there is a snapshot, fuel, and time. `cargo test --release --test languages measure --
/// --ignored --nocapture`, on an idle machine and with optimized crates.
#[test]
#[ignore = "compiles large modules several times; prints figures"]
fn measure() {
    let site = Site::new();
    let engine = Engine::new(&EngineOptions::default()).unwrap();
    for (language, registry) in LANGUAGES {
        if language == "typescript" || !available(language, registry) {
            continue;
        }
        site.done(&["policy", "new", "change-ticket", "--lang", language, "--out", language]);
        site.done(&["policy", "build", language]);
        let module = std::fs::read(site.path().join(language).join("change-ticket.wasm")).unwrap();
        let limits = report(&module).raised(Limits::default());
        let source = PolicySource {
            name: language,
            settings: r#"{"protected":["production"]}"#,
            limits: Limits { configure_time_ms: 600_000, time_ms: 60_000, ..limits },
            data: Arc::new(BTreeMap::<String, Document>::new()),
            expected_sha256: None,
        };
        let clock = Instant::now();
        let policy = engine.load(&module, &source).unwrap();
        let loaded = clock.elapsed();
        let request =
            br#"{"subject":{"type":"user","id":"a"},"action":{"name":"deploy"},"resource":{"type":"x","id":"b"},
            "context":{"environment":"production","change":{"ticket":"CHG-1","risk":80}}}"#;
        let request = Request::parse(request, "2026-03-14T09:30:00Z".parse().unwrap()).unwrap();
        let mut runs: Vec<_> = (0..500).map(|_| policy.evaluate_with(&request, None)).collect();
        runs.sort_by_key(|run| run.duration);
        assert!(runs.iter().all(|run| run.fuel == runs[0].fuel && run.said == runs[0].said), "{language}");
        assert!(matches!(runs[0].said, Said::Answer(_)), "{language}: {:?}", runs[0].said);
        let (p50, p99, fuel) = (runs[250].duration, runs[495].duration, runs[0].fuel);
        say(&format!(
            "{language}: loaded in {loaded:.1?} as {:?}, p50 {p50:.1?}, p99 {p99:.1?}, fuel {fuel}",
            policy.mode()
        ));
    }
}
