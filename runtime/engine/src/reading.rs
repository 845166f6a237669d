//! Reading a request or a document for a policy: the host's own work, which neither fuel nor epochs end.

use std::time::{Duration, Instant};

use portcullis_gate::{Document, Fault, Pointer, Request};

use crate::sandbox::Stop;
use crate::wit::Value;

/// How much may still be read, and until when.
pub(crate) struct Reading<L> {
    pub(crate) started: Instant,
    pub(crate) time_ms: u64,
    /// Bytes of text that may still be given to the guest.
    pub(crate) bytes: u64,
    /// What it is to want more.
    pub(crate) over: Fault,
    /// What the bytes are bounded by, for the message: `more than {limit}`.
    pub(crate) limit: L,
}

impl<L: Fn() -> String> Reading<L> {
    /// The value in a request, counted.
    pub(crate) fn request<'r>(&mut self, request: &'r Request, pointer: &Pointer) -> Result<Value<&'r str>, Stop> {
        self.value(|allow| request.get_within(pointer, allow))
    }

    /// The value in a document, counted.
    pub(crate) fn document<'d>(&mut self, document: &'d Document, pointer: &Pointer) -> Result<Value<&'d str>, Stop> {
        self.value(|allow| document.get_within(pointer, allow))
    }

    /// Refuses to go on past the time limit.
    pub(crate) fn in_time(&self) -> Result<(), Stop> {
        if self.started.elapsed() > Duration::from_millis(self.time_ms) {
            let detail = format!("more than {} ms, in reading what it asks for", self.time_ms);
            return Err(Stop { fault: Fault::Time, detail });
        }
        Ok(())
    }

    fn value<'v>(
        &mut self,
        read: impl FnOnce(&mut dyn FnMut(usize) -> bool) -> Option<portcullis_gate::Value<'v>>,
    ) -> Result<Value<&'v str>, Stop> {
        let mut stopped = None;
        let value = read(&mut |bytes| {
            stopped = self.room(bytes).and_then(|()| self.in_time()).err();
            stopped.is_none()
        });
        if let Some(stop) = stopped {
            return Err(stop);
        }
        // A reader that gives up without having been told to has read nothing to go on with.
        let value = value.map(Value::from).ok_or_else(|| self.too_much())?;
        self.room(value.text_bytes())?;
        self.bytes = self.bytes.saturating_sub(value.text_bytes() as u64);
        Ok(value)
    }

    fn room(&self, bytes: usize) -> Result<(), Stop> {
        if bytes as u64 > self.bytes { Err(self.too_much()) } else { Ok(()) }
    }

    fn too_much(&self) -> Stop {
        Stop { fault: self.over, detail: format!("what it asks for is more than {}", (self.limit)()) }
    }
}
