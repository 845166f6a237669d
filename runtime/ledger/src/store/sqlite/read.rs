use std::ops::Range;

use jiff::Timestamp;
use portcullis_gate::Sha256;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{OptionalExtension as _, Params, Row, ToSql, params_from_iter};
use uuid::Uuid;

use super::super::filter::{Conditions, Parameter, history_of, index_of, number_of, outcome_of, time_of};
use super::super::{
    DecisionRow, EventRow, HistoryAnswer, HistoryQuery, Idempotency, Identity, ListFilter, ListedDecision, Payloads,
    ReadStore, Role, StoredPayload, Totals, going_back,
};
use super::{META_KEY, META_ORIGIN, Sqlite, failed};
use crate::store_error::StoreError;

impl ReadStore for Sqlite {
    fn is_reusable(&self) -> bool {
        !self.still
    }

    fn begin_snapshot(&mut self) -> Result<(), StoreError> {
        self.run("BEGIN", "beginning to read")
    }

    fn end_snapshot(&mut self) -> Result<(), StoreError> {
        self.run("COMMIT", "ending to read")
    }

    fn size(&mut self) -> Result<u64, StoreError> {
        let last: Option<i64> =
            self.one("SELECT max(no) FROM events", [], "reading the size", |row| row.get(0))?.flatten();
        last.map_or(Ok(0), |last| index_of(last.saturating_add(1)))
    }

    fn identity(&mut self) -> Result<Identity, StoreError> {
        Ok(Identity { origin: self.meta(META_ORIGIN)?, verifier_key: self.meta(META_KEY)? })
    }

    fn leaf(&mut self, index: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.one("SELECT leaf FROM events WHERE no = ?1", [number_of(index)], "reading an event", |row| row.get(0))
    }

    fn events(&mut self, range: Range<u64>) -> Result<Vec<(u64, EventRow)>, StoreError> {
        self.many(
            "SELECT no, id, kind, time, leaf FROM events WHERE no >= ?1 AND no < ?2 ORDER BY no",
            bounds(&range),
            "reading events",
            |row| {
                let event = EventRow {
                    id: Uuid::from_bytes(bytes(row, 1)?),
                    kind: get(row, 2)?,
                    time: time_of(get(row, 3)?)?,
                    leaf: get(row, 4)?,
                    columns: None,
                };
                Ok((index_of(get(row, 0)?)?, event))
            },
        )
    }

    fn find(&mut self, id: Uuid) -> Result<Option<u64>, StoreError> {
        self.one("SELECT no FROM events WHERE id = ?1", [id.as_bytes()], "finding an event", |row| row.get(0))?
            .map(index_of)
            .transpose()
    }

    fn of_kind(&mut self, kind: &str, before: u64, limit: u32) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let found = self.many(
            "SELECT no, leaf FROM events WHERE kind = ?1 AND kind <> 'decision' AND no < ?2 ORDER BY no DESC LIMIT ?3",
            (kind, number_of(before), limit),
            "reading events of a kind",
            |row| Ok((index_of(get(row, 0)?)?, get(row, 1)?)),
        )?;
        going_back(found, before)
    }

    fn node(&mut self, position: u64) -> Result<Option<Sha256>, StoreError> {
        let row = [number_of(position)];
        self.one("SELECT hash FROM nodes WHERE no = ?1", row, "reading a node", |row| row.get(0))
            .map(|hash| hash.map(Sha256::from_bytes))
    }

    fn nodes(&mut self, range: Range<u64>) -> Result<Vec<(u64, Sha256)>, StoreError> {
        self.many(
            "SELECT no, hash FROM nodes WHERE no >= ?1 AND no < ?2 ORDER BY no",
            bounds(&range),
            "reading nodes",
            |row| Ok((index_of(get(row, 0)?)?, digest(row, 1)?)),
        )
    }

    fn blob(&mut self, sha256: &Sha256) -> Result<Option<Vec<u8>>, StoreError> {
        let key = [sha256.as_bytes()];
        self.one("SELECT bytes FROM blobs WHERE sha256 = ?1", key, "reading a blob", |row| row.get(0))
    }

    fn has_blob(&mut self, sha256: &Sha256) -> Result<bool, StoreError> {
        let key = [sha256.as_bytes()];
        self.one("SELECT 1 FROM blobs WHERE sha256 = ?1", key, "looking for a blob", |_| Ok(()))
            .map(|row| row.is_some())
    }

    fn blob_digests(&mut self, from: u64, limit: u64) -> Result<Vec<(u64, Sha256)>, StoreError> {
        self.many(
            "SELECT no, sha256 FROM blobs WHERE no >= ?1 ORDER BY no LIMIT ?2",
            (number_of(from), number_of(limit)),
            "reading blobs",
            |row| Ok((index_of(get(row, 0)?)?, digest(row, 1)?)),
        )
    }

    fn payload(&mut self, index: u64, role: Role) -> Result<Option<StoredPayload>, StoreError> {
        let no = number_of(index).saturating_mul(2).saturating_add(role.number());
        let found = self.many(
            "SELECT no, erased, salt, bytes FROM payloads WHERE no = ?1",
            [no],
            "reading a payload",
            stored_payload,
        )?;
        Ok(found.into_iter().next().map(|(_, _, payload)| payload))
    }

    fn payloads(&mut self, range: Range<u64>, enough: u64) -> Result<Payloads, StoreError> {
        const PHASE: &str = "reading payloads";
        let (from, to) = bounds(&range);
        let mut statement = self
            .db
            .prepare_cached("SELECT no, erased, salt, bytes FROM payloads WHERE no >= ?1 AND no < ?2 ORDER BY no")
            .map_err(failed(PHASE))?;
        let mut rows = statement.query((from.saturating_mul(2), to.saturating_mul(2))).map_err(failed(PHASE))?;
        let mut found = Payloads::up_to(enough);
        while let Some(row) = rows.next().map_err(failed(PHASE))? {
            // SQLite reads the bytes of a row only where they are asked for.
            if found.end_before(get(row, 0)?) {
                break;
            }
            found.add(stored_payload(row)?)?;
        }
        Ok(found)
    }

    fn idempotency(&mut self, key: &Sha256) -> Result<Option<(u64, Idempotency)>, StoreError> {
        let found = self.many(
            "SELECT no, key, request FROM idempotency WHERE key = ?1",
            [key.as_bytes()],
            "reading an idempotency key",
            idempotency,
        )?;
        Ok(found.into_iter().next())
    }

    fn idempotencies(&mut self, range: Range<u64>) -> Result<Vec<(u64, Idempotency)>, StoreError> {
        self.many(
            "SELECT no, key, request FROM idempotency WHERE no >= ?1 AND no < ?2 ORDER BY no",
            bounds(&range),
            "reading idempotency keys",
            idempotency,
        )
    }

    fn decisions(&mut self, range: Range<u64>) -> Result<Vec<ListedDecision>, StoreError> {
        self.many(
            "SELECT no, time, action, resource_type, resource_id, outcome FROM decisions \
             WHERE no >= ?1 AND no < ?2 ORDER BY no",
            bounds(&range),
            "reading decisions",
            decision,
        )
    }

    fn list(&mut self, filter: &ListFilter, limit: u32) -> Result<Vec<ListedDecision>, StoreError> {
        let conditions = Conditions::of_list(filter, limit);
        let text = format!(
            "SELECT no, time, action, resource_type, resource_id, outcome FROM decisions{} ORDER BY no DESC LIMIT {}",
            conditions.clause(),
            conditions.last()
        );
        self.many(&text, params_from_iter(conditions.parameters), "listing decisions", decision)
    }

    fn history(&mut self, query: &HistoryQuery) -> Result<HistoryAnswer, StoreError> {
        let (text, conditions) = Conditions::of_history(query);
        let rows = self.many(&text, params_from_iter(conditions.parameters), "counting decisions", |row| {
            history_of((get(row, 0)?, get(row, 1)?, get(row, 2)?, get(row, 3)?))
        })?;
        rows.into_iter().next().ok_or_else(|| StoreError::damaged("a count without a row"))
    }

    fn erasable(&mut self, before: Timestamp, from: u64, limit: u32) -> Result<Vec<u64>, StoreError> {
        self.many(
            "SELECT DISTINCT d.no FROM decisions d CROSS JOIN payloads p ON p.no IN (2 * d.no, 2 * d.no + 1) \
             WHERE d.no >= ?1 AND d.time < ?2 AND p.erased = 0 ORDER BY d.no LIMIT ?3",
            (number_of(from), before.as_millisecond(), limit),
            "looking for old payloads",
            |row| index_of(get(row, 0)?),
        )
    }

    fn checkpoint(&mut self) -> Result<Option<String>, StoreError> {
        self.one("SELECT note FROM checkpoint WHERE no = 0", [], "reading the checkpoint", |row| row.get(0))
    }

    fn handovers(&mut self) -> Result<Vec<(u64, String)>, StoreError> {
        self.many("SELECT no, note FROM checkpoint WHERE no > 0 ORDER BY no", [], "reading hand-overs", |row| {
            Ok((index_of(get(row, 0)?)?, get(row, 1)?))
        })
    }

    fn totals(&mut self) -> Result<Totals, StoreError> {
        let mut count = |table: &str| -> Result<u64, StoreError> {
            let text = format!("SELECT count(*) FROM {table}");
            let rows = self.many(&text, [], "counting rows", |row| index_of(get(row, 0)?))?;
            rows.into_iter().next().ok_or_else(|| StoreError::damaged("a count without a row"))
        };
        Ok(Totals {
            events: count("events")?,
            nodes: count("nodes")?,
            blobs: count("blobs")?,
            payloads: count("payloads")?,
            decisions: count("decisions")?,
            idempotency: count("idempotency")?,
        })
    }

    fn check_itself(&mut self) -> Result<Vec<String>, StoreError> {
        let lines: Vec<String> =
            self.many("PRAGMA integrity_check(100)", [], "checking integrity", |row| get(row, 0))?;
        let mut problems: Vec<String> = lines.into_iter().filter(|line| line != "ok").collect();
        problems.extend(self.check_rows()?);
        Ok(problems)
    }
}

impl Sqlite {
    /// The rows that belong to no event.
    pub(crate) fn check_rows(&mut self) -> Result<Vec<String>, StoreError> {
        let mut problems = Vec::new();
        let rows: Vec<(i64, String)> =
            self.many("SELECT no, value FROM meta ORDER BY no", [], "reading meta", |row| {
                Ok((get(row, 0)?, get(row, 1)?))
            })?;
        if rows.iter().map(|(no, _)| *no).ne(1..=3) {
            problems.push(format!("meta has {} rows, or other ones than it should", rows.len()));
        }
        let checkpoints: i64 = self
            .one("SELECT count(*) FROM checkpoint WHERE no < 0", [], "reading the checkpoint", |row| row.get(0))?
            .unwrap_or(0);
        if checkpoints != 0 {
            problems.push("there are checkpoints of negative sizes".to_owned());
        }
        Ok(problems)
    }

    pub(super) fn meta(&mut self, no: i64) -> Result<String, StoreError> {
        self.one("SELECT value FROM meta WHERE no = ?1", [no], "reading meta", |row| row.get(0))?
            .ok_or_else(|| StoreError::damaged(format!("meta has no row {no}")))
    }

    fn one<T>(
        &mut self,
        text: &str,
        parameters: impl Params,
        phase: &'static str,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        self.db
            .prepare_cached(text)
            .and_then(|mut statement| statement.query_row(parameters, read).optional())
            .map_err(failed(phase))
    }

    fn many<T>(
        &mut self,
        text: &str,
        parameters: impl Params,
        phase: &'static str,
        read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.db.prepare_cached(text).map_err(failed(phase))?;
        let mut rows = statement.query(parameters).map_err(failed(phase))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(failed(phase))? {
            found.push(read(row)?);
        }
        Ok(found)
    }
}

impl ToSql for Parameter {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Parameter::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Parameter::Integer(number) => ToSqlOutput::Owned(Value::Integer(*number)),
        })
    }
}

fn bounds(range: &Range<u64>) -> (i64, i64) {
    (number_of(range.start), number_of(range.end))
}

fn get<T: rusqlite::types::FromSql>(row: &Row<'_>, column: usize) -> Result<T, StoreError> {
    row.get(column).map_err(failed("reading a row"))
}

fn bytes<const N: usize>(row: &Row<'_>, column: usize) -> Result<[u8; N], StoreError> {
    let found = row.get_ref(column).map_err(failed("reading a row"))?;
    found
        .as_blob()
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| StoreError::damaged(format!("column {column} has not {N} bytes")))
}

fn digest(row: &Row<'_>, column: usize) -> Result<Sha256, StoreError> {
    bytes(row, column).map(Sha256::from_bytes)
}

fn idempotency(row: &Row<'_>) -> Result<(u64, Idempotency), StoreError> {
    Ok((index_of(get(row, 0)?)?, Idempotency { key: digest(row, 1)?, request: digest(row, 2)? }))
}

fn decision(row: &Row<'_>) -> Result<ListedDecision, StoreError> {
    Ok(ListedDecision {
        index: index_of(get(row, 0)?)?,
        columns: DecisionRow {
            time: time_of(get(row, 1)?)?,
            action: get(row, 2)?,
            resource_type: get(row, 3)?,
            resource_id: get(row, 4)?,
            outcome: outcome_of(get(row, 5)?)?,
        },
    })
}

fn stored_payload(row: &Row<'_>) -> Result<(u64, Role, StoredPayload), StoreError> {
    let no: i64 = get(row, 0)?;
    let (erased, salt, content): (i64, [u8; 32], Vec<u8>) = (get(row, 1)?, bytes(row, 2)?, get(row, 3)?);
    let (index, role) = super::super::payload_place(no)?;
    Ok((index, role, super::super::payload_of(index, erased, salt, content)?))
}
