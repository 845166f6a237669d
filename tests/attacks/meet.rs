//! Meeting a guest: inspected, loaded, evaluated, and an honest policy afterwards.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use portcullis_engine::{
    CompileIn, Engine, EngineOptions, Evaluation, History, HostData, LoadError, Mode, Policy, PolicySource,
};
use portcullis_gate::{Document, Fault, LimitKey, Limits, Outcome, PastDecision, Request, Said, Verdict};
use portcullis_inspect::{InspectLimits, inspect};
use portcullis_tests::{Expect, Guest, Source};

/// One engine for all tests of the process: what one guest leaves behind, another one would find.
pub fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(&options()).expect("an engine"))
}

/// Few sandboxes, so that guests come to lie where others were.
pub fn options() -> EngineOptions {
    EngineOptions {
        instances: 24,
        max_memory_bytes: 32 * 1024 * 1024,
        compile_in: CompileIn::ThisProcess,
        ..EngineOptions::default()
    }
}

/// Loads a guest and evaluates it three times; everything that its file says must come true, and an honest policy must
/// still be allowed.
pub fn meets(source: &Source) {
    meets_on(engine(), source);
    honest_is_allowed();
}

/// The same, on an engine of the test's own.
pub fn meets_on(engine: &Engine, source: &Source) {
    let guest = source.guest();
    let inspected = inspect(&guest.bytes, &InspectLimits::from(&limits(&guest)));
    let loaded = load(engine, &guest);
    match &guest.expect {
        Expect::Load { code, cause } => {
            let error = loaded.err().unwrap_or_else(|| panic!("{}: loaded, and expected {code}", guest.name));
            let found = (error.fault.code(), error.cause.map(Fault::code));
            assert_eq!(found, (code.as_str(), cause.as_deref()), "{}: {error}", guest.name);
            // What is refused for its bytes is refused by reading them, without an engine.
            let refusal = inspected.err().map(|refusal| refusal.fault.code());
            let executed = matches!(code.as_str(), "load.configure" | "load.inputs" | "load.settings" | "load.data");
            assert_eq!(refusal, (!executed).then_some(code.as_str()), "{}: by inspection", guest.name);
            printable(&guest, &error.detail);
        }
        Expect::Fault(code) => {
            let policy = loaded.unwrap_or_else(|error| panic!("{}: {error}, and expected {code}", guest.name));
            for _ in 0..3 {
                let evaluation = policy.evaluate_with(&request(), history(&guest));
                match &evaluation.said {
                    Said::Fault(faulted) => {
                        let found = (faulted.fault.code(), &faulted.detail);
                        assert_eq!(found.0, code, "{}: {}", guest.name, found.1);
                        printable(&guest, &faulted.detail);
                        assert!(evaluation.duration < LONGEST, "{}: {:?}", guest.name, evaluation.duration);
                    }
                    said => panic!("{}: expected {code}, found {said:?}", guest.name),
                }
            }
            mode(&guest, &policy);
        }
        Expect::Answer(outcome) => {
            let policy = loaded.unwrap_or_else(|error| panic!("{}: {error}, and expected {outcome}", guest.name));
            let evaluations = [(); 3].map(|()| policy.evaluate_with(&request(), history(&guest)));
            for evaluation in &evaluations {
                assert_eq!(&said(evaluation), outcome, "{}: {:?}", guest.name, evaluation.said);
                assert_eq!(evaluation.fuel, evaluations[0].fuel, "{}: fuel", guest.name);
            }
            mode(&guest, &policy);
        }
    }
}

/// Loads a guest with its settings, limits and documents.
pub fn load(engine: &Engine, guest: &Guest) -> Result<Policy, LoadError> {
    with_source(guest, |source| engine.load(&guest.bytes, source))
}

/// A guest's settings, limits and documents.
pub fn with_source<T>(guest: &Guest, work: impl FnOnce(&PolicySource<'_>) -> T) -> T {
    let documents: BTreeMap<String, Document> = guest
        .data
        .iter()
        .map(|(name, text)| (name.clone(), Document::parse(text.as_bytes()).expect("a document")))
        .collect();
    let data: Arc<dyn HostData> = Arc::new(super::host::Panicking(documents));
    let source = PolicySource {
        name: guest.name,
        settings: &guest.settings,
        limits: limits(guest),
        data,
        expected_sha256: None,
    };
    work(&source)
}

/// The history that the guest is evaluated with.
pub fn history(guest: &Guest) -> Option<Arc<dyn History>> {
    let now = request().now();
    let past = guest.past.as_ref()?.iter().map(|past| PastDecision {
        now: now - jiff::SignedDuration::from_mins(past.minutes_ago),
        action: past.action.clone(),
        resource_type: past.resource.0.clone(),
        resource_id: past.resource.1.clone(),
        outcome: Outcome::from_name(&past.outcome).expect("an outcome"),
    });
    Some(Arc::new(past.collect::<Vec<PastDecision>>()))
}

/// The guest's limits. Time is generous unless the guest is about time: on a busy machine a guest that is to run out
/// of fuel would otherwise run out of time.
pub fn limits(guest: &Guest) -> Limits {
    let mut limits = Limits { time_ms: 30_000, configure_time_ms: 60_000, ..Limits::default() };
    for (key, value) in &guest.limits {
        LimitKey::named(key).expect("a limit").set(&mut limits, *value).expect("a limit within its bounds");
    }
    limits
}

/// What an evaluation came to: an outcome, `abstain`, or the code of a fault.
pub fn said(evaluation: &Evaluation) -> String {
    match &evaluation.said {
        Said::Fault(faulted) => faulted.fault.code().to_owned(),
        Said::Answer(answer) => match &answer.verdict {
            Verdict::Abstain => "abstain".to_owned(),
            Verdict::Findings(findings) => {
                let strictest = findings.iter().map(|finding| finding.outcome).max();
                strictest.map(Outcome::as_str).expect("findings").to_owned()
            }
        },
    }
}

pub fn request() -> Request {
    let text = br#"{"subject":{"type":"user","id":"ann"},"action":{"name":"deploy"},
        "resource":{"type":"service","id":"payment-api"},"context":{"environment":"production"}}"#;
    Request::parse(text, "2026-03-14T09:30:00Z".parse().expect("a time")).expect("a request")
}

/// The honest policy, loaded once before any attack, is still allowed.
pub fn honest_is_allowed() {
    static HONEST: OnceLock<Policy> = OnceLock::new();
    let honest = HONEST.get_or_init(|| load(engine(), &portcullis_tests::find("00-allow")).expect("the honest guest"));
    let evaluation = honest.evaluate(&request());
    assert_eq!(said(&evaluation), "allow", "{:?}", evaluation.said);
}

/// No control character and nothing that turns text around reaches whoever reads it.
pub fn printable(guest: &Guest, text: &str) {
    let bad = text
        .chars()
        .find(|c| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{feff}'));
    assert!(bad.is_none(), "{}: {bad:?} in {text:?}", guest.name);
}

/// No fault takes longer than this, however busy the machine: the time limits of the guests that are about time are
/// 50 ms, and fuel, memory and stack end the others sooner.
const LONGEST: Duration = Duration::from_secs(10);

fn mode(guest: &Guest, policy: &Policy) {
    let snapshot = *policy.mode() == Mode::Snapshot;
    assert_eq!(snapshot, guest.snapshot, "{}: {:?}", guest.name, policy.mode());
}
