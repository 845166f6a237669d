//! What is kept of a request and of a decision's JSON, and reading so many of them that memory has a bound.

use std::ops::Range;

use super::{Payload, Role, StoredPayload, filter};
use crate::commitment::Salt;
use crate::store_error::StoreError;

/// Payloads of a range of events, in order of index and role, up to those of the event with which there are enough bytes.
#[derive(Debug, Default)]
pub struct Payloads {
    rows: Vec<(u64, Role, StoredPayload)>,
    bytes: u64,
    enough: u64,
}

impl Payloads {
    /// None yet.
    pub(crate) fn up_to(enough: u64) -> Payloads {
        Payloads { rows: Vec::new(), bytes: 0, enough }
    }

    pub(crate) fn add(&mut self, (index, role, payload): (u64, Role, StoredPayload)) {
        self.bytes = self.bytes.saturating_add(u64::try_from(payload.len()).unwrap_or(u64::MAX));
        self.rows.push((index, role, payload));
    }

    /// Whether those of further events are for later.
    pub(crate) fn are_enough(&self) -> bool {
        self.bytes >= self.enough
    }

    /// Whether the payload with that number in its table is for later.
    pub(crate) fn end_before(&self, no: i64) -> bool {
        let same_event =
            self.rows.last().is_some_and(|(index, ..)| filter::index_of(no.div_euclid(2)).ok() == Some(*index));
        self.are_enough() && !same_event
    }

    /// The events of a range whose payloads these are, all of them: at least one.
    #[must_use]
    pub fn end(&self, range: &Range<u64>) -> u64 {
        match self.rows.last() {
            Some((last, ..)) if self.are_enough() => {
                last.saturating_add(1).clamp(range.start.saturating_add(1).min(range.end), range.end)
            }
            _ => range.end,
        }
    }

    /// Index, role and what is there.
    #[must_use]
    pub fn into_rows(self) -> Vec<(u64, Role, StoredPayload)> {
        self.rows
    }
}

/// Which payload has that number: twice the event's index plus the role.
pub(super) fn payload_place(no: i64) -> Result<(u64, Role), StoreError> {
    let role = if no.rem_euclid(2) == 0 { Role::Request } else { Role::Decision };
    Ok((filter::index_of(no.div_euclid(2))?, role))
}

/// A payload from its columns. An erased one has zeros and nothing else.
pub(super) fn payload_of(index: u64, erased: i64, salt: [u8; 32], bytes: Vec<u8>) -> Result<StoredPayload, StoreError> {
    match erased {
        0 => Ok(StoredPayload::Present(Payload { salt: Salt::new(salt), bytes })),
        1 if salt == [0; 32] && bytes.iter().all(|byte| *byte == 0) => Ok(StoredPayload::Erased { bytes: bytes.len() }),
        1 => Err(StoreError::damaged(format!("an erased payload of event {index} is not all zeros"))),
        other => Err(StoreError::damaged(format!("a payload of event {index} is marked {other}"))),
    }
}
