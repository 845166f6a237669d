//! The host's side of the imports, for tests.

use std::cell::RefCell;

use crate::Value;
use crate::json::Json;
use crate::time::Time;

/// What a policy's imports answer from.
pub struct Host {
    request: Json,
    now: Time,
    data: Vec<(String, Json)>,
}

thread_local! {
    static CURRENT: RefCell<Option<Host>> = const { RefCell::new(None) };
}

impl Host {
    pub fn new(request: Json, now: Time, data: Vec<(String, Json)>) -> Host {
        Host { request, now, data }
    }

    /// The request field at a pointer.
    pub fn value(&self, pointer: &str) -> Value {
        if pointer == "/now" { Value::Text(self.now.to_string()) } else { value(self.request.pointer(pointer)) }
    }
}

/// Runs `policy` with the imports answering from `host`.
pub fn within<T>(host: Host, policy: impl FnOnce() -> T) -> T {
    CURRENT.with(|current| current.replace(Some(host)));
    let result = policy();
    CURRENT.with(|current| current.replace(None));
    result
}

pub fn log(message: &str) {
    with_current("log", |_| ());
    // Shown by the test harness where the test fails.
    #[expect(clippy::print_stdout, reason = "what a log is for")]
    {
        println!("log: {message}");
    }
}

#[expect(clippy::panic, reason = "the policy faults, which a Case catches")]
pub fn data(document: &str, pointer: &str) -> Value {
    with_current("data", |host| match host.data.iter().find(|(name, _)| name == document) {
        Some((_, json)) => value(json.pointer(pointer)),
        None => panic!("there is no document {document:?}"),
    })
}

pub fn request(pointers: &[String]) -> Vec<Value> {
    with_current("request", |host| pointers.iter().map(|pointer| host.value(pointer)).collect())
}

#[expect(clippy::panic, reason = "the policy faults, which a Case catches")]
fn with_current<T>(import: &str, answer: impl FnOnce(&Host) -> T) -> T {
    CURRENT.with_borrow(|current| match current {
        Some(host) => answer(host),
        None => panic!("`{import}` may be called while evaluating only, and in tests within a Case"),
    })
}

fn value(json: Option<&Json>) -> Value {
    match json {
        None => Value::Missing,
        Some(Json::Null) => Value::Null,
        Some(Json::Boolean(value)) => Value::Boolean(*value),
        Some(Json::Integer(value)) => Value::Integer(*value),
        Some(Json::Number(number)) => number.value().map_or(Value::Missing, Value::Number),
        Some(Json::Text(text)) => Value::Text(text.clone()),
        Some(container @ (Json::Array(_) | Json::Object(_))) => Value::Json(container.to_string()),
    }
}
