//! What one evaluation may touch and use: the store's data, its limiter, and the four functions of the world.

use std::sync::Arc;
use std::time::Instant;

use portcullis_gate::{
    Fault, HistoryAnswer, HistoryCall, HistoryUnavailable, Limits, MAX_HISTORY_QUERIES, Pointer, Request,
};
use wasmtime::component::Linker;
use wasmtime::{ResourceLimiter, StoreContextMut};

use crate::reading::Reading;
use crate::wit::{self, Value};
use crate::{History, HostCall, HostData, text, trace};

/// The data of one store. A store lives for one evaluation (or one `configure`) and is dropped with it.
pub(crate) struct Sandbox {
    limits: Limits,
    data: Arc<dyn HostData>,
    /// The request; `None` while the policy is being configured, when every import traps.
    request: Option<Request>,
    /// Fuel and epochs do not run inside the host: what may take long there looks at the clock itself.
    started: Instant,
    memory_bytes: usize,
    table_elements: usize,
    host_calls: u64,
    host_call_bytes: u64,
    history: Option<Arc<dyn History>>,
    history_calls: Vec<HistoryCall>,
    log: Log,
    /// Every call of an import, where someone wants to see them.
    calls: Option<Vec<HostCall>>,
}

/// What an evaluation leaves behind.
#[derive(Default)]
pub(crate) struct Records {
    pub(crate) log: Vec<String>,
    /// What was asked of the history, with the answers.
    pub(crate) history: Vec<HistoryCall>,
    /// Every call of an import, where it was traced.
    pub(crate) calls: Option<Vec<HostCall>>,
    pub(crate) memory_bytes: u64,
}

/// Stops a guest from inside the host, as a fault of that kind.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub(crate) struct Stop {
    pub(crate) fault: Fault,
    pub(crate) detail: String,
}

impl Sandbox {
    pub(crate) fn new(limits: Limits, data: Arc<dyn HostData>, request: Option<Request>) -> Sandbox {
        Sandbox {
            limits,
            data,
            request,
            started: Instant::now(),
            memory_bytes: 0,
            table_elements: 0,
            host_calls: 0,
            host_call_bytes: 0,
            history: None,
            history_calls: Vec::new(),
            log: Log::default(),
            calls: None,
        }
    }

    /// Lets the policy call its imports: configuration is over.
    pub(crate) fn open(&mut self, request: &Request) {
        self.request = Some(request.clone());
    }

    /// Allows some memory beyond the limit: the snapshot tool reads the memory out through a page of its own.
    pub(crate) fn make_room(&mut self, bytes: u64) {
        self.limits.memory_bytes = self.limits.memory_bytes.saturating_add(bytes);
    }

    /// Where questions about past decisions are answered; without it they are faults.
    pub(crate) fn give_history(&mut self, history: Option<Arc<dyn History>>) {
        self.history = history;
    }

    /// Keeps every call of an import from now on, or none.
    pub(crate) fn trace(&mut self, calls: bool) {
        self.calls = calls.then(Vec::new);
    }

    fn called(&mut self, call: impl FnOnce() -> HostCall) {
        if let Some(calls) = &mut self.calls {
            calls.push(call());
        }
    }

    /// The value at `pointer` in a reference document.
    fn read_data(&mut self, document: &str, pointer: &str) -> Result<Value<String>, Stop> {
        self.enter("data", document.len().saturating_add(pointer.len()))?;
        let pointer = parse_pointer(pointer)?;
        let data = Arc::clone(&self.data);
        let Some(found) = data.document(document) else {
            return Err(Stop {
                fault: Fault::Data,
                detail: format!("the policy set gives no document {:?}", text::shown(document)),
            });
        };
        let value = self.reading().document(found, &pointer)?;
        self.transfer(value.text_bytes())?;
        Ok(value.into_owned())
    }

    /// The request's values at `pointers`.
    fn read_request(&mut self, pointers: &[String]) -> Result<Vec<Value<String>>, Stop> {
        self.enter("request", pointers.iter().map(String::len).sum())?;
        let request = self.request.clone();
        let mut values = Vec::with_capacity(pointers.len());
        for pointer in pointers {
            let mut reading = self.reading();
            reading.in_time()?;
            let pointer = parse_pointer(pointer)?;
            let value = match &request {
                Some(request) => reading.request(request, &pointer)?,
                None => Value::Missing,
            };
            self.transfer(value.text_bytes())?;
            values.push(value.into_owned());
        }
        Ok(values)
    }

    /// Asks the history and records question and answer, whatever comes of it.
    fn ask_history(&mut self, query: wit::HistoryQuery) -> Result<HistoryAnswer, Stop> {
        if self.history_calls.len() >= MAX_HISTORY_QUERIES {
            return Err(Stop {
                fault: Fault::HostCalls,
                detail: format!("more than {MAX_HISTORY_QUERIES} questions about the history"),
            });
        }
        let query = query.into_gate(self.opened("history")?);
        query.check().map_err(|problem| Stop { fault: Fault::Trap, detail: format!("`history`: {problem}") })?;
        let answer = match &self.history {
            Some(history) => history
                .answer(&query)
                .and_then(|answer| answer.check(&query).map(|()| answer))
                .map_err(|HistoryUnavailable { reason }| HistoryUnavailable { reason: text::shown(&reason) }),
            None => Err(HistoryUnavailable { reason: "the host gives policies none".into() }),
        };
        let call = HistoryCall { query, answer: answer.clone() };
        self.called(|| HostCall::History(call.clone()));
        self.history_calls.push(call);
        answer.map_err(|unavailable| Stop { fault: Fault::History, detail: unavailable.to_string() })
    }

    /// What the evaluation leaves behind.
    pub(crate) fn take_records(&mut self) -> Records {
        Records {
            log: std::mem::take(&mut self.log.lines),
            history: std::mem::take(&mut self.history_calls),
            calls: self.calls.take(),
            memory_bytes: self.memory_bytes as u64,
        }
    }

    /// The request; refused while the policy is being configured.
    fn opened(&self, import: &str) -> Result<&Request, Stop> {
        self.request.as_ref().ok_or_else(|| Stop {
            fault: Fault::Trap,
            detail: format!("`{import}` was called inside `configure`, where no import may be called"),
        })
    }

    /// Counts a call from the guest, with the bytes that it passes. Refused once over the limit, and always
    /// while the policy is being configured.
    fn enter(&mut self, import: &str, bytes: usize) -> Result<(), Stop> {
        self.opened(import)?;
        self.host_calls = self.host_calls.saturating_add(1);
        if self.host_calls > self.limits.host_calls {
            return Err(Stop {
                fault: Fault::HostCalls,
                detail: format!("more than {} calls of the host", self.limits.host_calls),
            });
        }
        self.transfer(bytes)
    }

    /// What the guest may still read through its imports.
    fn reading(&self) -> Reading<impl Fn() -> String + use<>> {
        let limit = self.limits.host_call_bytes;
        Reading {
            started: self.started,
            time_ms: self.limits.time_ms,
            bytes: limit.saturating_sub(self.host_call_bytes),
            over: Fault::HostCalls,
            limit: move || format!("{limit} bytes in calls of the host"),
        }
    }

    /// Counts bytes between guest and host, either way.
    fn transfer(&mut self, bytes: usize) -> Result<(), Stop> {
        self.host_call_bytes = self.host_call_bytes.saturating_add(bytes as u64);
        if self.host_call_bytes > self.limits.host_call_bytes {
            return Err(Stop {
                fault: Fault::HostCalls,
                detail: format!("more than {} bytes in calls of the host", self.limits.host_call_bytes),
            });
        }
        Ok(())
    }
}

/// Defines the world's four imports. A component uses those that it imports; the others cost nothing.
pub(crate) fn link(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    let mut root = linker.root();
    root.func_wrap("log", |mut store: StoreContextMut<'_, Sandbox>, (message,): (String,)| {
        let sandbox = store.data_mut();
        sandbox.enter("log", message.len())?;
        let limit = sandbox.limits.log_bytes;
        sandbox.log.push(&message, limit);
        sandbox.called(|| HostCall::Log(message));
        Ok(())
    })?;
    root.func_wrap("data", |mut store: StoreContextMut<'_, Sandbox>, (document, pointer): (String, String)| {
        let sandbox = store.data_mut();
        let answer = sandbox.read_data(&document, &pointer);
        sandbox.called(|| HostCall::Data { document, pointer, answer: told(&answer, trace::json) });
        Ok((answer?,))
    })?;
    root.func_wrap("request", |mut store: StoreContextMut<'_, Sandbox>, (pointers,): (Vec<String>,)| {
        let sandbox = store.data_mut();
        let answer = sandbox.read_request(&pointers);
        let values = |values: &Vec<Value<String>>| values.iter().map(trace::json).collect();
        sandbox.called(|| HostCall::Request { pointers, answer: told(&answer, values) });
        Ok((answer?,))
    })?;
    root.func_wrap("history", |mut store: StoreContextMut<'_, Sandbox>, (query,): (wit::HistoryQuery,)| {
        let sandbox = store.data_mut();
        sandbox.enter("history", query.bytes())?;
        let answer = wit::HistoryAnswer::from(&sandbox.ask_history(query)?);
        sandbox.transfer(answer.text_bytes())?;
        Ok((answer,))
    })?;
    Ok(())
}

/// What a guest was told, or why it was stopped instead.
fn told<T, U>(answer: &Result<T, Stop>, json: impl FnOnce(&T) -> U) -> Result<U, String> {
    answer.as_ref().map(json).map_err(|stop| stop.detail.clone())
}

fn parse_pointer(pointer: &str) -> Result<Pointer, Stop> {
    Pointer::new(pointer).map_err(|problem| Stop {
        fault: Fault::Trap,
        detail: format!("{:?} is no JSON pointer: {problem}", text::shown(pointer)),
    })
}

/// Memory and tables are summed over the whole store: wasmtime's own limits count each memory by itself. What exceeds
/// the limit stops the guest at once, so that the fault has one cause.
impl ResourceLimiter for Sandbox {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // Beyond the module's own maximum, growth fails whatever we say, and takes nothing.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let total = self.memory_bytes.saturating_sub(current).saturating_add(desired);
        if total as u64 > self.limits.memory_bytes {
            return Err(Stop {
                fault: Fault::Memory,
                detail: format!("{total} bytes of memory, more than {}", self.limits.memory_bytes),
            }
            .into());
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let total = self.table_elements.saturating_sub(current).saturating_add(desired);
        if total as u64 > self.limits.table_elements {
            return Err(Stop {
                fault: Fault::Memory,
                detail: format!("{total} table elements, more than {}", self.limits.table_elements),
            }
            .into());
        }
        self.table_elements = total;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(Stop { fault: Fault::Memory, detail: format!("memory cannot grow: {error:#}") }.into())
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(Stop { fault: Fault::Memory, detail: format!("a table cannot grow: {error:#}") }.into())
    }

    fn instances(&self) -> usize {
        usize::try_from(self.limits.instances).unwrap_or(0)
    }

    fn tables(&self) -> usize {
        usize::try_from(self.limits.instances).unwrap_or(0)
    }

    fn memories(&self) -> usize {
        usize::try_from(self.limits.instances).unwrap_or(0)
    }
}

#[derive(Default)]
struct Log {
    lines: Vec<String>,
    bytes: u64,
    full: bool,
}

impl Log {
    /// Keeps a line, escaped, until the limit; what comes after is dropped, and one last line says so.
    fn push(&mut self, message: &str, limit: u64) {
        if self.full {
            return;
        }
        let room = usize::try_from(limit.saturating_sub(self.bytes)).unwrap_or(usize::MAX);
        let line = text::escaped(message, room);
        self.bytes = self.bytes.saturating_add(line.len() as u64).saturating_add(1);
        // Escapes lengthen text, so what was cut is told by the message, not by the line.
        self.full = message.len() >= room || line.len() >= room;
        self.lines.push(line);
        if self.full {
            self.lines.push(format!("(the log limit of {limit} bytes is reached; the rest was dropped)"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_keeps_to_its_limit_and_escapes() {
        let mut log = Log::default();
        log.push("a\x1b[31mb\n\u{202e}c", 100);
        log.push(&"x".repeat(1000), 100);
        log.push("never kept", 100);
        assert_eq!(log.lines.first().map(String::as_str), Some("a\\u{1b}[31mb\\n\\u{202e}c"));
        assert_eq!(log.lines.len(), 3);
        assert!(log.lines.iter().take(2).map(String::len).sum::<usize>() <= 100, "{:?}", log.lines);
        assert!(log.lines.last().is_some_and(|line| line.contains("the rest was dropped")));
    }
}
