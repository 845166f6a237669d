//! What is turned away before anything is evaluated: more requests than there are places, and what no event could hold.

use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis_gate::{Pointer, Request};
use portcullis_ledger::{MAX_EVENT_TEXT_BYTES, MAX_RESOURCE_ID_BYTES};

use super::{DecideError, MAX_IDEMPOTENCY_KEY_BYTES};
use crate::DecideOptions;

/// Places for requests that are being decided.
pub(super) struct Places {
    taken: AtomicUsize,
    all: usize,
}

/// A place among the requests that are being decided; given back when dropped.
pub(super) struct Place<'p>(&'p AtomicUsize);

impl Places {
    pub(super) fn new(all: usize) -> Places {
        Places { taken: AtomicUsize::new(0), all }
    }

    /// # Errors
    /// [`DecideError::Overloaded`]: none is free.
    pub(super) fn take(&self) -> Result<Place<'_>, DecideError> {
        let before = self.taken.fetch_add(1, Ordering::Relaxed);
        let place = Place(&self.taken);
        if before >= self.all {
            return Err(DecideError::Overloaded { reason: format!("{before} requests are being decided") });
        }
        Ok(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Refuses what an event could not hold.
///
/// # Errors
/// [`DecideError::TooLong`]: the first such text.
pub(super) fn check_lengths(request: &Request, options: &DecideOptions) -> Result<(), DecideError> {
    let (one, many) = (MAX_EVENT_TEXT_BYTES, MAX_RESOURCE_ID_BYTES);
    let field = |what, at: &str, limit| {
        let text = Pointer::new(at).ok().and_then(|pointer| request.text(&pointer).map(str::len));
        (what, text, limit)
    };
    let all = [
        ("correlation id", options.correlation_id.as_ref().map(String::len), one),
        ("idempotency key", options.idempotency_key.as_ref().map(String::len), MAX_IDEMPOTENCY_KEY_BYTES),
        field("action's name", "/action/name", one),
        field("resource's type", "/resource/type", one),
        field("resource's id", "/resource/id", many),
    ];
    match all.into_iter().find(|(_, bytes, limit)| bytes.is_some_and(|bytes| bytes > *limit)) {
        Some((what, Some(bytes), limit)) => Err(DecideError::TooLong { what, bytes, limit }),
        _ => Ok(()),
    }
}
