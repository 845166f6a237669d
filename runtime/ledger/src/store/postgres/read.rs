use std::ops::Range;
use std::time::Duration;

use jiff::Timestamp;
use portcullis_gate::Sha256;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};
use uuid::Uuid;

use super::super::filter::{Conditions, Parameter, history_of, index_of, number_of, outcome_of, time_of};
use super::super::{
    DecisionRow, EventRow, HistoryAnswer, HistoryQuery, Idempotency, Identity, ListFilter, ListedDecision, Payloads,
    ReadStore, Role, StoredPayload, Totals, going_back, payload_of, payload_place,
};
use super::client::{ANSWER, Failure, LONG_ANSWER};
use super::{Postgres, failed, get};
use crate::store_error::StoreError;

impl ReadStore for Postgres {
    fn is_alive(&mut self) -> bool {
        self.client.is_alive(ALIVE_WITHIN)
    }

    fn begin_snapshot(&mut self) -> Result<(), StoreError> {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        self.client.batch_execute(begin).map_err(failed("beginning to read"))
    }

    fn end_snapshot(&mut self) -> Result<(), StoreError> {
        self.client.batch_execute("COMMIT").map_err(failed("ending to read"))
    }

    fn size(&mut self) -> Result<u64, StoreError> {
        let rows = self.many("SELECT max(no) FROM events", &[], |row| get::<Option<i64>>(row, 0))?;
        rows.into_iter().flatten().next().map_or(Ok(0), |last| index_of(last.saturating_add(1)))
    }

    fn identity(&mut self) -> Result<Identity, StoreError> {
        let rows = self.many("SELECT origin, verifier_key FROM meta", &[], |row| {
            Ok(Identity { origin: get(row, 0)?, verifier_key: get(row, 1)? })
        })?;
        rows.into_iter().next().ok_or_else(|| StoreError::damaged("meta is empty"))
    }

    fn leaf(&mut self, index: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let rows = self.many("SELECT leaf FROM events WHERE no = $1", &[&number_of(index)], |row| get(row, 0))?;
        Ok(rows.into_iter().next())
    }

    fn events(&mut self, range: Range<u64>) -> Result<Vec<(u64, EventRow)>, StoreError> {
        let text = "SELECT no, id, kind, time, leaf FROM events WHERE no >= $1 AND no < $2 ORDER BY no";
        self.many(text, &[&number_of(range.start), &number_of(range.end)], |row| {
            let event = EventRow {
                id: Uuid::from_bytes(bytes(row, 1)?),
                kind: get(row, 2)?,
                time: time_of(get(row, 3)?)?,
                leaf: get(row, 4)?,
                columns: None,
            };
            Ok((index_of(get(row, 0)?)?, event))
        })
    }

    fn find(&mut self, id: Uuid) -> Result<Option<u64>, StoreError> {
        if let Some(index) = self.pending.known.ids.get(&id) {
            return Ok(Some(*index));
        }
        let text = "SELECT no FROM events WHERE id = $1";
        let rows = self.many(text, &[&id.as_bytes().as_slice()], |row| index_of(get(row, 0)?))?;
        Ok(rows.into_iter().next())
    }

    fn of_kind(&mut self, kind: &str, before: u64, limit: u32) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let text =
            "SELECT no, leaf FROM events WHERE kind = $1 AND kind <> 'decision' AND no < $2 ORDER BY no DESC LIMIT $3";
        let found = self.many(text, &[&kind, &number_of(before), &i64::from(limit)], |row| {
            Ok((index_of(get(row, 0)?)?, get(row, 1)?))
        })?;
        going_back(found, before)
    }

    fn node(&mut self, position: u64) -> Result<Option<Sha256>, StoreError> {
        let text = "SELECT hash FROM nodes WHERE no = $1";
        Ok(self.many(text, &[&number_of(position)], |row| digest(row, 0))?.into_iter().next())
    }

    fn nodes(&mut self, range: Range<u64>) -> Result<Vec<(u64, Sha256)>, StoreError> {
        let text = "SELECT no, hash FROM nodes WHERE no >= $1 AND no < $2 ORDER BY no";
        self.many(text, &[&number_of(range.start), &number_of(range.end)], |row| {
            Ok((index_of(get(row, 0)?)?, digest(row, 1)?))
        })
    }

    fn blob(&mut self, sha256: &Sha256) -> Result<Option<Vec<u8>>, StoreError> {
        let text = "SELECT bytes FROM blobs WHERE sha256 = $1";
        Ok(self.many(text, &[&sha256.as_bytes().as_slice()], |row| get(row, 0))?.into_iter().next())
    }

    fn has_blob(&mut self, sha256: &Sha256) -> Result<bool, StoreError> {
        if self.pending.known.blobs.contains(sha256) {
            return Ok(true);
        }
        let text = "SELECT 1 FROM blobs WHERE sha256 = $1";
        Ok(!self.many(text, &[&sha256.as_bytes().as_slice()], |_| Ok(()))?.is_empty())
    }

    fn blob_digests(&mut self, from: u64, limit: u64) -> Result<Vec<(u64, Sha256)>, StoreError> {
        let text = "SELECT no, sha256 FROM blobs WHERE no >= $1 ORDER BY no LIMIT $2";
        self.many(text, &[&number_of(from), &number_of(limit)], |row| Ok((index_of(get(row, 0)?)?, digest(row, 1)?)))
    }

    fn payload(&mut self, index: u64, role: Role) -> Result<Option<StoredPayload>, StoreError> {
        self.flush()?;
        let no = number_of(index).saturating_mul(2).saturating_add(role.number());
        let text = "SELECT no, erased, salt, bytes FROM payloads WHERE no = $1";
        let rows = self.many(text, &[&no], stored_payload)?;
        Ok(rows.into_iter().next().map(|(_, _, payload)| payload))
    }

    fn payloads(&mut self, range: Range<u64>, enough: u64) -> Result<Payloads, StoreError> {
        // `before`: the bytes of the events before it. (With EXCLUDE GROUP, each row would sum them anew.)
        let text = "SELECT no, erased, salt, bytes FROM (\
                      SELECT no, erased, salt, bytes, sum(octet_length(bytes)) OVER (ORDER BY no / 2) \
                        - sum(octet_length(bytes)) OVER (PARTITION BY no / 2) AS before \
                      FROM payloads WHERE no >= $1 AND no < $2) AS sizes \
                    WHERE before < $3 ORDER BY no";
        let (from, to) = (number_of(range.start).saturating_mul(2), number_of(range.end).saturating_mul(2));
        let mut found = Payloads::up_to(enough);
        let rows = self.many(text, &[&from, &to, &number_of(enough)], stored_payload)?;
        rows.into_iter().try_for_each(|row| found.add(row))?;
        Ok(found)
    }

    fn idempotency(&mut self, key: &Sha256) -> Result<Option<(u64, Idempotency)>, StoreError> {
        if let Some(found) = self.pending.known.keys.get(key) {
            return Ok(Some(*found));
        }
        let text = "SELECT no, key, request FROM idempotency WHERE key = $1";
        Ok(self.many(text, &[&key.as_bytes().as_slice()], idempotency)?.into_iter().next())
    }

    fn idempotencies(&mut self, range: Range<u64>) -> Result<Vec<(u64, Idempotency)>, StoreError> {
        let text = "SELECT no, key, request FROM idempotency WHERE no >= $1 AND no < $2 ORDER BY no";
        self.many(text, &[&number_of(range.start), &number_of(range.end)], idempotency)
    }

    fn decisions(&mut self, range: Range<u64>) -> Result<Vec<ListedDecision>, StoreError> {
        let text = "SELECT no, time, action, resource_type, resource_id, outcome FROM decisions \
                    WHERE no >= $1 AND no < $2 ORDER BY no";
        self.many(text, &[&number_of(range.start), &number_of(range.end)], decision)
    }

    fn list(&mut self, filter: &ListFilter, limit: u32) -> Result<Vec<ListedDecision>, StoreError> {
        let conditions = Conditions::of_list(filter, limit);
        let text = format!(
            "SELECT no, time, action, resource_type, resource_id, outcome FROM decisions{} ORDER BY no DESC LIMIT {}",
            conditions.clause(),
            conditions.last()
        );
        let values = values(&conditions);
        let values: Vec<_> = values.iter().map(AsRef::as_ref).collect();
        self.patiently(|store| store.many(&text, &values, decision))
    }

    fn history(&mut self, query: &HistoryQuery) -> Result<HistoryAnswer, StoreError> {
        self.flush()?;
        let (text, conditions) = Conditions::of_history(query);
        let values = values(&conditions);
        let rows = self.many(&text, &values.iter().map(AsRef::as_ref).collect::<Vec<_>>(), |row| {
            history_of((get(row, 0)?, get(row, 1)?, get(row, 2)?, get(row, 3)?))
        })?;
        rows.into_iter().next().ok_or_else(|| StoreError::damaged("a count without a row"))
    }

    fn erasable(&mut self, before: Timestamp, from: u64, limit: u32) -> Result<Vec<u64>, StoreError> {
        let text = "SELECT d.no FROM decisions d WHERE d.no >= $1 AND d.time < $2 AND EXISTS \
                    (SELECT 1 FROM payloads p WHERE p.no IN (2 * d.no, 2 * d.no + 1) AND p.erased = 0) \
                    ORDER BY d.no LIMIT $3";
        let parameters: [&(dyn ToSql + Sync); 3] = [&number_of(from), &before.as_millisecond(), &i64::from(limit)];
        self.patiently(|store| store.many(text, &parameters, |row| index_of(get(row, 0)?)))
    }

    fn checkpoint(&mut self) -> Result<Option<String>, StoreError> {
        Ok(self.many("SELECT note FROM checkpoint WHERE no = 0", &[], |row| get(row, 0))?.into_iter().next())
    }

    fn handovers(&mut self) -> Result<Vec<(u64, String)>, StoreError> {
        self.many("SELECT no, note FROM checkpoint WHERE no > 0 ORDER BY no", &[], |row| {
            Ok((index_of(get(row, 0)?)?, get(row, 1)?))
        })
    }

    fn totals(&mut self) -> Result<Totals, StoreError> {
        let text = "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM nodes), (SELECT count(*) FROM blobs), \
                    (SELECT count(*) FROM payloads), (SELECT count(*) FROM decisions), (SELECT count(*) FROM idempotency)";
        let count = |row: &Row| {
            let count = |column| index_of(get(row, column)?);
            Ok(Totals {
                events: count(0)?,
                nodes: count(1)?,
                blobs: count(2)?,
                payloads: count(3)?,
                decisions: count(4)?,
                idempotency: count(5)?,
            })
        };
        let rows = self.patiently(|store| store.many(text, &[], count))?;
        rows.into_iter().next().ok_or_else(|| StoreError::damaged("counts without a row"))
    }

    /// PostgreSQL's own pages are the database server's to check: `pg_amcheck`, data checksums.
    fn check_itself(&mut self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }
}

impl Postgres {
    /// Runs a statement that is prepared once for each connection.
    pub(super) fn execute(&mut self, text: &'static str, parameters: &[&(dyn ToSql + Sync)]) -> Result<u64, Failure> {
        let statement = self.prepared(text)?;
        self.client.execute(&statement, parameters)
    }

    /// Reads what may take long.
    fn patiently<T>(&mut self, read: impl FnOnce(&mut Postgres) -> T) -> T {
        self.client.wait_for(LONG_ANSWER);
        let found = read(self);
        self.client.wait_for(ANSWER);
        found
    }

    fn prepared(&mut self, text: &str) -> Result<Statement, Failure> {
        if let Some(statement) = self.statements.get(text) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(text)?;
        if self.statements.len() >= MAX_STATEMENTS {
            self.statements.clear();
        }
        self.statements.insert(text.to_owned(), statement.clone());
        Ok(statement)
    }

    pub(super) fn many<T>(
        &mut self,
        text: &str,
        parameters: &[&(dyn ToSql + Sync)],
        read: impl Fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let statement = self.prepared(text).map_err(failed("preparing a query"))?;
        let rows = self.client.query(&statement, parameters).map_err(failed("reading"))?;
        rows.iter().map(read).collect()
    }
}

/// How long a server may take to answer nothing.
const ALIVE_WITHIN: Duration = Duration::from_secs(2);
/// Most statements that are kept prepared.
const MAX_STATEMENTS: usize = 64;

fn values(conditions: &Conditions) -> Vec<Box<dyn ToSql + Sync>> {
    let value = |parameter: &Parameter| -> Box<dyn ToSql + Sync> {
        match parameter {
            Parameter::Text(text) => Box::new(text.clone().into_bytes()),
            Parameter::Integer(number) => Box::new(*number),
        }
    };
    conditions.parameters.iter().map(value).collect()
}

fn bytes<const N: usize>(row: &Row, column: usize) -> Result<[u8; N], StoreError> {
    let found: &[u8] = get(row, column)?;
    found.try_into().map_err(|_| StoreError::damaged(format!("column {column} has not {N} bytes")))
}

fn digest(row: &Row, column: usize) -> Result<Sha256, StoreError> {
    bytes(row, column).map(Sha256::from_bytes)
}

fn text(row: &Row, column: usize) -> Result<String, StoreError> {
    String::from_utf8(get(row, column)?).map_err(|_| StoreError::damaged(format!("column {column} is not UTF-8")))
}

fn idempotency(row: &Row) -> Result<(u64, Idempotency), StoreError> {
    Ok((index_of(get(row, 0)?)?, Idempotency { key: digest(row, 1)?, request: digest(row, 2)? }))
}

fn decision(row: &Row) -> Result<ListedDecision, StoreError> {
    Ok(ListedDecision {
        index: index_of(get(row, 0)?)?,
        columns: DecisionRow {
            time: time_of(get(row, 1)?)?,
            action: text(row, 2)?,
            resource_type: text(row, 3)?,
            resource_id: text(row, 4)?,
            outcome: outcome_of(get(row, 5)?)?,
        },
    })
}

fn stored_payload(row: &Row) -> Result<(u64, Role, StoredPayload), StoreError> {
    let (index, role) = payload_place(get(row, 0)?)?;
    Ok((index, role, payload_of(index, get(row, 1)?, bytes(row, 2)?, get(row, 3)?)?))
}
