//! What one evaluation may touch and use: the store's data, its limiter, and the four functions of the world.

use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_gate::{
    Fault, HistoryAnswer, HistoryCall, HistoryUnavailable, Limits, MAX_HISTORY_QUERIES, Pointer, Request,
};
use wasmtime::component::Linker;
use wasmtime::{ResourceLimiter, StoreContextMut};

use crate::wit::{self, Value};
use crate::{History, HostData, text};

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
}

/// The log, and what was asked of the history with the answers.
pub(crate) type Records = (Vec<String>, Vec<HistoryCall>);

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
        self.history_calls.push(HistoryCall { query, answer: answer.clone() });
        answer.map_err(|unavailable| Stop { fault: Fault::History, detail: unavailable.to_string() })
    }

    /// What the evaluation leaves behind.
    pub(crate) fn take_records(&mut self) -> Records {
        (std::mem::take(&mut self.log.lines), std::mem::take(&mut self.history_calls))
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

    /// Refuses to go on in the host past the evaluation's time limit.
    fn in_time(&self) -> Result<(), Stop> {
        if self.started.elapsed() > Duration::from_millis(self.limits.time_ms) {
            return Err(Stop {
                fault: Fault::Time,
                detail: format!("more than {} ms, in a call of the host", self.limits.time_ms),
            });
        }
        Ok(())
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
        Ok(())
    })?;
    root.func_wrap("data", |mut store: StoreContextMut<'_, Sandbox>, (document, pointer): (String, String)| {
        let sandbox = store.data_mut();
        sandbox.enter("data", document.len().saturating_add(pointer.len()))?;
        let pointer = parse_pointer(&pointer)?;
        let data = Arc::clone(&sandbox.data);
        let Some(value) = data.value(&document, &pointer) else {
            return Err(Stop {
                fault: Fault::Data,
                detail: format!("the policy set gives no document {:?}", text::shown(&document)),
            }
            .into());
        };
        let value = Value::from(value);
        sandbox.transfer(value.text_bytes())?;
        Ok((value.into_owned(),))
    })?;
    root.func_wrap("request", |mut store: StoreContextMut<'_, Sandbox>, (pointers,): (Vec<String>,)| {
        let sandbox = store.data_mut();
        sandbox.enter("request", pointers.iter().map(String::len).sum())?;
        let request = sandbox.request.clone();
        let mut values = Vec::with_capacity(pointers.len());
        for pointer in &pointers {
            sandbox.in_time()?;
            let pointer = parse_pointer(pointer)?;
            let value = request.as_ref().map_or(Value::Missing, |request| request.get(&pointer).into());
            sandbox.transfer(value.text_bytes())?;
            values.push(value.into_owned());
        }
        Ok((values,))
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
