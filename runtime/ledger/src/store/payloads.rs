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

    /// # Errors
    /// They do not come in order: a damaged tree may give the same ones again and again.
    pub(crate) fn add(&mut self, row: (u64, Role, StoredPayload)) -> Result<(), StoreError> {
        let place = |row: &(u64, Role, StoredPayload)| (row.0, row.1.number());
        if self.rows.last().is_some_and(|last| place(last) >= place(&row)) {
            return Err(StoreError::damaged(format!("the payloads of event {} are out of order", row.0)));
        }
        self.bytes = self.bytes.saturating_add(u64::try_from(row.2.len()).unwrap_or(u64::MAX));
        self.rows.push(row);
        Ok(())
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

    /// How many bytes they have.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_go_back_are_refused() {
        let row = |index, role| (index, role, StoredPayload::Erased { bytes: 10 });
        let mut payloads = Payloads::up_to(15);
        assert_eq!((payloads.end_before(0), payloads.end(&(0..9))), (false, 9));
        payloads.add(row(3, Role::Request)).unwrap();
        assert!(payloads.add(row(3, Role::Request)).is_err(), "the same again");
        assert!(payloads.add(row(2, Role::Decision)).is_err(), "of an earlier event");
        assert!(!payloads.are_enough());
        payloads.add(row(3, Role::Decision)).unwrap();
        assert_eq!((payloads.bytes(), payloads.are_enough(), payloads.end(&(0..9))), (20, true, 4));
        assert_eq!((payloads.end_before(7), payloads.end_before(8)), (false, true));
        assert_eq!(payloads.into_rows().len(), 2);
    }
}
