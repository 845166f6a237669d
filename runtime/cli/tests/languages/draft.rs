use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use portcullis_engine::{Effort, PolicySource};
use portcullis_gate::{Document, Limits, Request};

/// `policy test` runs drafts: they say the same, for the same fuel, as the code that decides.
#[test]
fn drafts_say_the_same_for_the_same_fuel() {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/policies/environment-gate.wasm");
    let module = std::fs::read(&module).expect("the sample policies are built with `make policies`");
    let requests = ["production", "staging", "nowhere"].map(|environment| {
        let request = format!(
            r#"{{"subject":{{"type":"user","id":"a"}},"action":{{"name":"deploy"}},"resource":{{"type":"service","id":"b"}},
                "context":{{"environment":"{environment}","change":{{"kind":"major"}}}}}}"#
        );
        Request::parse(request.as_bytes(), "2026-03-14T09:30:00Z".parse().unwrap()).unwrap()
    });
    let run = |effort| {
        let engine = crate::site::engine(None, effort);
        let source = PolicySource {
            name: "it",
            settings: "{}",
            limits: Limits { time_ms: 60_000, ..Limits::default() },
            data: Arc::new(BTreeMap::<String, Document>::new()),
            expected_sha256: None,
        };
        let policy = engine.load(&module, &source).unwrap();
        let runs = requests.each_ref().map(|request| policy.evaluate_with(request, None));
        runs.map(|run| (run.said, run.fuel))
    };
    let decided = run(Effort::Optimized);
    assert_eq!(run(Effort::Draft), decided);
    assert!(decided.iter().all(|(_, fuel)| *fuel > 0) && decided[0].0 != decided[1].0, "{decided:?}");
}
