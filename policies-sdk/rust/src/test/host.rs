//! The host's side of the imports, for tests.

use std::cell::{Cell, RefCell};

use super::{Fault, PastDecision};
use crate::Value;
use crate::bindings::{HistoryAnswer, HistoryQuery};
use crate::json::Json;
use crate::time::Time;

/// What a policy's imports answer from.
pub struct Host {
    request: Json,
    now: Time,
    data: Vec<(String, Json)>,
    /// Past decisions; `None` where there is no history.
    past: Option<Vec<PastDecision>>,
    /// Whether the policy announces that it reads the history.
    announced: bool,
    /// How often it has been asked.
    asked: Cell<usize>,
}

thread_local! {
    static CURRENT: RefCell<Option<Host>> = const { RefCell::new(None) };
}

impl Host {
    pub fn new(
        request: Json,
        now: Time,
        data: Vec<(String, Json)>,
        past: Option<Vec<PastDecision>>,
        announced: bool,
    ) -> Host {
        Host { request, now, data, past, announced, asked: Cell::new(0) }
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

pub fn history(query: &HistoryQuery) -> HistoryAnswer {
    with_current("history", |host| match host.count(query) {
        Ok(answer) => answer,
        Err(fault) => std::panic::resume_unwind(Box::new(fault)),
    })
}

impl Host {
    /// As the host does it: within the bounds of the contract, and never a count where there is no history.
    fn count(&self, query: &HistoryQuery) -> Result<HistoryAnswer, Fault> {
        if !self.announced {
            let detail = "the policy asks for the history and does not announce it: #[policy(history = \"What for.\")]";
            return Err(Fault::Unannounced(detail.into()));
        }
        self.asked.set(self.asked.get().saturating_add(1));
        if self.asked.get() > MAX_QUERIES {
            return Err(Fault::HostCalls(format!("more than {MAX_QUERIES} questions about the history")));
        }
        let texts = [&query.action, &query.resource_type, &query.resource_id];
        let long = texts.into_iter().flatten().any(|text| text.len() > MAX_QUERY_TEXT_BYTES);
        if !(1..=MAX_QUERY_MINUTES).contains(&query.within_minutes) || query.outcomes.len() > MAX_QUERY_OUTCOMES || long
        {
            return Err(Fault::Trap(format!("the question is out of bounds: {query:?}")));
        }
        let Some(past) = &self.past else {
            return Err(Fault::History("the case gives no past decisions".into()));
        };
        let since = self.now.plus_minutes(i64::from(query.within_minutes).saturating_neg());
        let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        let times = past.iter().filter_map(|decision| {
            let now = self.now.plus_minutes(i64::from(decision.minutes_ago).saturating_neg())?;
            let asked = since < Some(now)
                && is(&query.action, &decision.action)
                && is(&query.resource_type, &decision.resource_type)
                && is(&query.resource_id, &decision.resource_id)
                && (query.outcomes.is_empty() || query.outcomes.contains(&decision.outcome));
            asked.then_some(now)
        });
        let times: Vec<Time> = times.collect();
        Ok(HistoryAnswer {
            count: times.len() as u64,
            oldest: times.iter().min().map(Time::to_string),
            latest: times.iter().max().map(Time::to_string),
        })
    }
}

const MAX_QUERIES: usize = 32;
const MAX_QUERY_MINUTES: u32 = 366 * 24 * 60;
const MAX_QUERY_OUTCOMES: usize = 6;
const MAX_QUERY_TEXT_BYTES: usize = 1024;

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
