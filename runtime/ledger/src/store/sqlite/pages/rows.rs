//! The rows of the tables that hold the events, in their order, from the account of the file.

use std::ops::Range;

use portcullis_gate::Sha256;
use uuid::Uuid;

use super::record::Column;
use super::{Account, table};
use crate::store::filter::{index_of, number_of, outcome_of, time_of};
use crate::store::{DecisionRow, EventRow, Idempotency, ListedDecision, Payloads, payload_of, payload_place};
use crate::store_error::StoreError;

/// Longest record that SQLite keeps. Of a longer one, which it did not write, the end is missing here.
const MAX_RECORD_BYTES: usize = 1_000_000_000;

/// As [`ReadStore`](crate::store::ReadStore) has them, for one range after the other.
impl Account {
    pub(crate) fn events(&mut self, range: Range<u64>) -> Result<Vec<(u64, EventRow)>, StoreError> {
        self.rows("events", numbers(&range), |no, columns| match columns {
            [_, Column::Blob(id), Column::Text(kind), Column::Integer(time), Column::Blob(leaf)] => {
                let event = EventRow {
                    id: Uuid::from_bytes(exactly(id)?),
                    kind: text(kind)?,
                    time: time_of(*time)?,
                    leaf: leaf.to_vec(),
                    columns: None,
                };
                Ok((index_of(no)?, event))
            }
            _ => Err(malformed("event", no)),
        })
    }

    pub(crate) fn nodes(&mut self, range: Range<u64>) -> Result<Vec<(u64, Sha256)>, StoreError> {
        self.rows("nodes", numbers(&range), |no, columns| match columns {
            [_, Column::Blob(hash)] => Ok((index_of(no)?, Sha256::from_bytes(exactly(hash)?))),
            _ => Err(malformed("node", no)),
        })
    }

    pub(crate) fn payloads(&mut self, range: Range<u64>, enough: u64) -> Result<Payloads, StoreError> {
        let mut found = Payloads::up_to(enough);
        for index in range {
            let first = number_of(index).saturating_mul(2);
            let rows = self.rows("payloads", first..first.saturating_add(2), |no, columns| match columns {
                [_, Column::Integer(erased), Column::Blob(salt), Column::Blob(bytes)] => {
                    let (index, role) = payload_place(no)?;
                    Ok((index, role, payload_of(index, *erased, exactly(salt)?, bytes.to_vec())?))
                }
                _ => Err(malformed("payload", no)),
            })?;
            rows.into_iter().try_for_each(|row| found.add(row))?;
            if found.are_enough() {
                break;
            }
        }
        Ok(found)
    }

    pub(crate) fn idempotencies(&mut self, range: Range<u64>) -> Result<Vec<(u64, Idempotency)>, StoreError> {
        self.rows("idempotency", numbers(&range), |no, columns| match columns {
            [_, Column::Blob(key), Column::Blob(request)] => {
                let (key, request) = (Sha256::from_bytes(exactly(key)?), Sha256::from_bytes(exactly(request)?));
                Ok((index_of(no)?, Idempotency { key, request }))
            }
            _ => Err(malformed("idempotency key", no)),
        })
    }

    pub(crate) fn decisions(&mut self, range: Range<u64>) -> Result<Vec<ListedDecision>, StoreError> {
        self.rows("decisions", numbers(&range), |no, columns| match columns {
            [
                _,
                Column::Integer(time),
                Column::Text(action),
                Column::Text(kind),
                Column::Text(id),
                Column::Integer(outcome),
            ] => {
                let columns = DecisionRow {
                    time: time_of(*time)?,
                    action: text(action)?,
                    resource_type: text(kind)?,
                    resource_id: text(id)?,
                    outcome: outcome_of(*outcome)?,
                };
                Ok(ListedDecision { index: index_of(no)?, columns })
            }
            _ => Err(malformed("decision", no)),
        })
    }

    /// The rows of a range of numbers, and those before it that are left.
    fn rows<T>(
        &mut self,
        name: &str,
        range: Range<i64>,
        mut read: impl FnMut(i64, &[Column<'_>]) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        let Some(table) = table(name) else { return Ok(found) };
        let most = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        while self.peek(table).is_some_and(|next| next < range.end) {
            if found.len() >= most {
                return Err(StoreError::damaged(format!("{name} has more rows than numbers for them")));
            }
            // What is malformed is passed over, and a problem of its page: what is read then may be of a later range.
            let row = self.take(table, MAX_RECORD_BYTES, |row, columns| {
                read(row.ok_or_else(|| StoreError::damaged("a row has no number"))?, columns)
            });
            found.extend(row.transpose()?);
        }
        Ok(found)
    }
}

fn numbers(range: &Range<u64>) -> Range<i64> {
    number_of(range.start)..number_of(range.end)
}

fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N], StoreError> {
    bytes.try_into().map_err(|_| StoreError::damaged(format!("a column has not {N} bytes")))
}

fn text(bytes: &[u8]) -> Result<String, StoreError> {
    let text = std::str::from_utf8(bytes).map_err(|_| StoreError::damaged("a text is not UTF-8"))?;
    Ok(text.to_owned())
}

fn malformed(what: &str, no: i64) -> StoreError {
    StoreError::damaged(format!("the row of {what} {no} has other columns than its table"))
}
