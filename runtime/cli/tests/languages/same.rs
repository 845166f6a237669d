use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use portcullis_gate::{Said, Verdict};
use portcullis_inspect::WorldVerdict;

use crate::site::{Case, LANGUAGES, Site, available, report, said, say};

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
