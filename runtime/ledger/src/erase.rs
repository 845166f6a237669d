use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::event::{Body, ErasedPart, ErasureReason, Event, RequestErased};
use crate::sequencer::Appended;
use crate::store::{Entry, Role, StoredPayload};
use crate::store_error::StoreError;
use crate::time::Time;
use crate::{Ledger, Reader};

/// Decisions that are erased in one transaction, at most.
const ERASED_AT_ONCE: u32 = 256;

/// How long is waited until what was erased is gone from everywhere.
const SCRUB_WAIT: Duration = Duration::from_secs(10);

/// What [`Ledger::erase_before`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErasedBefore {
    /// How many decisions were erased.
    pub decisions: u64,
    /// Whether files beside the database still hold what was erased, because a reader has them open.
    pub scrub_pending: bool,
}

impl Reader {
    /// How many decisions [`Ledger::erase_before`] would erase.
    ///
    /// # Errors
    /// [`StoreError`]: the store could not be read.
    pub fn count_before(&self, before: Timestamp) -> Result<u64, StoreError> {
        let (mut next, mut count) = (0, 0u64);
        loop {
            let found = self.with(|store| store.erasable(before, next, ERASED_AT_ONCE))?;
            let Some(last) = found.last() else { return Ok(count) };
            next = going_on(next, *last)?;
            count = count.saturating_add(u64::try_from(found.len()).unwrap_or(u64::MAX));
        }
    }
}

impl Ledger {
    /// Erases the requests and decisions, with their salts, of all decisions before a time that are not erased yet, each
    /// with an event that says so. What erasing left beside the database is emptied too, unless a reader holds it open.
    ///
    /// `now` is the time of the events.
    ///
    /// # Errors
    /// As for [`Ledger::append`]. What was erased until then stays erased; asking again goes on.
    pub fn erase_before(
        &self,
        before: Timestamp,
        now: Timestamp,
        reason: ErasureReason,
    ) -> Result<ErasedBefore, StoreError> {
        let time = Time::new(now).map_err(|e| StoreError::refused(e.to_string()))?;
        let (mut next, mut erased) = (0, ErasedBefore::default());
        loop {
            let found = self.reader()?.with(|store| store.erasable(before, next, ERASED_AT_ONCE))?;
            let Some(last) = found.last() else {
                erased.scrub_pending = erased.decisions > 0 && !self.scrubbed(SCRUB_WAIT);
                return Ok(erased);
            };
            next = going_on(next, *last)?;
            let mut entries = Vec::with_capacity(found.len());
            for index in found {
                entries.push(erasure(self.reader()?, index, time, reason)?);
            }
            for answer in self.append_all(entries) {
                match answer? {
                    Appended::Committed(_) => erased.decisions += 1,
                    other => return Err(StoreError::damaged(format!("an erasure was answered with {other:?}"))),
                }
            }
        }
    }
}

/// Where to go on behind the last one that was found. An index that is out of order would make it the first again.
fn going_on(next: u64, last: u64) -> Result<u64, StoreError> {
    if last < next {
        return Err(StoreError::damaged(format!("the index of decisions gives {last} after {next}")));
    }
    Ok(last.saturating_add(1))
}

/// The event that erases what is left of a decision.
fn erasure(reader: &Reader, index: u64, time: Time, reason: ErasureReason) -> Result<Entry, StoreError> {
    let missing = || StoreError::damaged(format!("decision {index} is missing"));
    let (decision, parts) = reader.with(|store| {
        let decision = store.events(index..index.saturating_add(1))?.pop().ok_or_else(missing)?.1.id;
        let mut parts = Vec::new();
        for (role, part) in [(Role::Request, ErasedPart::Request), (Role::Decision, ErasedPart::Decision)] {
            if let Some(StoredPayload::Present(_)) = store.payload(index, role)? {
                parts.push(part);
            }
        }
        Ok((decision, parts))
    })?;
    let body = RequestErased { decision, index, parts, reason, reference: None };
    let event = Event { id: Uuid::now_v7(), time, body: Body::RequestErased(body) };
    Entry::new(&event).map_err(|e| StoreError::damaged(e.to_string()))
}
