//! What an author is shown of an evaluation is what happened in it, and watching changes nothing.

use std::sync::Arc;

use portcullis_engine::{HostCall, PolicySource, Traced};
use portcullis_gate::{Document, Said};
use portcullis_tests::find;
use serde_json::json;

use super::meet::{engine, history, limits, load, request};

/// Traces a guest, and evaluates it without being watched: both must be the same, fuel included.
fn traced(name: &str) -> Traced {
    let guest = find(name);
    let policy = load(engine(), &guest).unwrap();
    let traced = policy.trace(&request(), history(&guest));
    let alone = policy.evaluate_with(&request(), history(&guest));
    assert_eq!((&traced.evaluation.said, traced.evaluation.fuel), (&alone.said, alone.fuel), "{name}");
    assert_eq!(traced.evaluation.memory_bytes, alone.memory_bytes, "{name}");
    traced
}

#[test]
fn calls_are_kept_in_order_with_their_answers() {
    let calls = traced("00-every-import").calls;
    let [
        HostCall::Log(line),
        HostCall::Data { document, pointer, answer },
        HostCall::Request { pointers, answer: values },
    ] = calls.as_slice()
    else {
        panic!("{calls:?}")
    };
    assert_eq!(line, "calendar");
    assert_eq!((document.as_str(), pointer.as_str(), answer), ("calendar", "/weekend/1", &Ok(Some(json!(7)))));
    assert_eq!(pointers, &["", "/action/name"]);
    let whole: serde_json::Value = serde_json::from_slice(request().bytes()).unwrap();
    assert_eq!(values, &Ok(vec![Some(whole), Some(json!("deploy"))]));
}

#[test]
fn the_call_that_ended_an_evaluation_is_kept() {
    let Traced { evaluation, calls, .. } = traced("03-data-unknown");
    let Said::Fault(faulted) = &evaluation.said else { panic!("{:?}", evaluation.said) };
    let [HostCall::Data { document, answer: Err(stopped), .. }] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!((document.as_str(), stopped), ("\u{1b}[31mcal\n", &faulted.detail));
}

#[test]
fn questions_are_kept_where_configure_runs_each_time_too() {
    for name in ["28-history", "28-history-each-time"] {
        let Traced { evaluation, calls, .. } = traced(name);
        let asked = calls.iter().map(|call| match call {
            HostCall::History(call) => call.clone(),
            other => panic!("{other:?}"),
        });
        assert_eq!(asked.collect::<Vec<_>>(), evaluation.history, "{name}");
        assert!(!evaluation.history.is_empty(), "{name}");
    }
}

#[test]
fn as_many_calls_are_kept_as_the_limits_allow() {
    let calls = traced("28-history-flood").calls.len();
    assert!(calls <= 256, "{calls}");
}

#[test]
fn memory_is_what_the_guest_had_in_the_end() {
    assert_eq!(traced("04-up-to-the-limit").evaluation.memory_bytes, 16 * 1024 * 1024);
    assert_eq!(traced("00-allow").evaluation.memory_bytes, 64 * 1024);
}

#[test]
fn the_parts_of_loading_are_measured() {
    let measure = |name: &str| {
        let guest = find(name);
        let data = std::collections::BTreeMap::<String, Document>::new();
        let source = PolicySource {
            name: guest.name,
            settings: &guest.settings,
            limits: limits(&guest),
            data: Arc::new(data),
            expected_sha256: None,
        };
        engine().measure_load(&guest.bytes, &source)
    };
    let honest = measure("00-allow").unwrap();
    assert!(honest.snapshot.is_some() && honest.configure_fuel > 0 && honest.evaluated_bytes > 0, "{honest:?}");
    assert!(
        [honest.inspect, honest.compile_for_configure, honest.configure, honest.compile].iter().all(|t| !t.is_zero())
    );
    assert_eq!(measure("26-module-twice").unwrap().snapshot, None);
    assert_eq!(measure("25-configure-traps").unwrap_err().fault.code(), "load.configure");
}
