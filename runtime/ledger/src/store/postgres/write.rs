use portcullis_gate::Sha256;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::super::filter::{number_of, outcome_number};
use super::super::{Entry, Payload, ReadStore as _, Role, Store, Submission};
use super::{Known, Postgres, failed, get};
use crate::store_error::StoreError;

/// Rows of a batch that are not in the database yet: they are sent together, table by table.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) known: Known,
    events: Events,
    nodes: Pairs,
    payloads: Triples,
    decisions: Decisions,
    idempotency: Triples,
    blobs: Triples,
}

#[derive(Default)]
struct Events {
    no: Vec<i64>,
    id: Vec<Vec<u8>>,
    kind: Vec<String>,
    time: Vec<i64>,
    leaf: Vec<Vec<u8>>,
}

#[derive(Default)]
struct Decisions {
    no: Vec<i64>,
    time: Vec<i64>,
    action: Vec<Vec<u8>>,
    resource_type: Vec<Vec<u8>>,
    resource_id: Vec<Vec<u8>>,
    outcome: Vec<i64>,
}

/// A number and some bytes, column by column.
#[derive(Default)]
struct Pairs(Vec<i64>, Vec<Vec<u8>>);

/// A number and twice some bytes.
#[derive(Default)]
struct Triples(Vec<i64>, Vec<Vec<u8>>, Vec<Vec<u8>>);

impl Store for Postgres {
    fn begin(&mut self) -> Result<(), StoreError> {
        let Some((epoch, _)) = self.lease else {
            return Err(StoreError::refused("this connection is for reading"));
        };
        self.pending = Pending::default();
        self.client.batch_execute("BEGIN").map_err(failed("beginning a transaction"))?;
        // The lock on the lease is held until the commit: nobody can take it over in between.
        let row =
            self.client.query_one("SELECT epoch FROM lease FOR UPDATE", &[]).map_err(failed("checking the lease"))?;
        let found: i64 = get(&row, 0)?;
        if found == epoch { Ok(()) } else { Err(StoreError::Fenced { epoch, found }) }
    }

    fn insert(&mut self, index: u64, entry: &Entry) -> Result<(), StoreError> {
        let no = number_of(index);
        let event = &entry.event;
        let pending = &mut self.pending;
        pending.known.ids.insert(event.id, index);
        pending.events.no.push(no);
        pending.events.id.push(event.id.as_bytes().to_vec());
        pending.events.kind.push(event.kind.clone());
        pending.events.time.push(event.time.as_millisecond());
        pending.events.leaf.push(event.leaf.clone());
        if let Some(columns) = &event.columns {
            pending.decisions.no.push(no);
            pending.decisions.time.push(columns.time.as_millisecond());
            pending.decisions.action.push(columns.action.clone().into_bytes());
            pending.decisions.resource_type.push(columns.resource_type.clone().into_bytes());
            pending.decisions.resource_id.push(columns.resource_id.clone().into_bytes());
            pending.decisions.outcome.push(outcome_number(columns.outcome));
        }
        let mut payload = |role: Role, payload: &Payload| {
            pending.payloads.0.push(no.saturating_mul(2).saturating_add(role.number()));
            pending.payloads.1.push(payload.salt.as_bytes().to_vec());
            pending.payloads.2.push(payload.bytes.clone());
        };
        if let Some(request) = &entry.request {
            payload(Role::Request, request);
        }
        if let Some(decision) = &entry.decision {
            payload(Role::Decision, decision);
        }
        if let Some(idempotency) = &entry.idempotency {
            pending.known.keys.insert(idempotency.key, (index, *idempotency));
            pending.idempotency.0.push(no);
            pending.idempotency.1.push(idempotency.key.as_bytes().to_vec());
            pending.idempotency.2.push(idempotency.request.as_bytes().to_vec());
        }
        for blob in &entry.blobs {
            if !self.has_blob(&blob.sha256())? {
                self.pending.known.blobs.insert(blob.sha256());
                self.pending.blobs.0.push(self.next_blob);
                self.pending.blobs.1.push(blob.sha256().as_bytes().to_vec());
                self.pending.blobs.2.push(blob.bytes().to_vec());
                self.next_blob = self.next_blob.saturating_add(1);
            }
        }
        Ok(())
    }

    fn insert_node(&mut self, position: u64, hash: &Sha256) -> Result<(), StoreError> {
        self.pending.nodes.0.push(number_of(position));
        self.pending.nodes.1.push(hash.as_bytes().to_vec());
        Ok(())
    }

    fn set_checkpoint(&mut self, _size: u64, note: &str) -> Result<(), StoreError> {
        let set = "INSERT INTO checkpoint(no, note) VALUES (0, $1) ON CONFLICT (no) DO UPDATE SET note = excluded.note";
        self.client.execute(set, &[&note]).map_err(failed("storing the checkpoint"))?;
        Ok(())
    }

    fn insert_handover(&mut self, size: u64, note: &str) -> Result<(), StoreError> {
        let insert = "INSERT INTO checkpoint(no, note) VALUES ($1, $2)";
        self.client.execute(insert, &[&number_of(size), &note]).map_err(failed("storing the hand-over"))?;
        Ok(())
    }

    fn erase(&mut self, index: u64, role: Role) -> Result<(), StoreError> {
        self.flush()?;
        let no = number_of(index);
        let place = no.saturating_mul(2).saturating_add(role.number());
        let erase = "UPDATE payloads SET erased = 1, salt = decode(repeat('00', length(salt)), 'hex'), \
                     bytes = decode(repeat('00', length(bytes)), 'hex') WHERE no = $1";
        self.client.execute(erase, &[&place]).map_err(failed("erasing"))?;
        if role == Role::Request {
            let erase = "UPDATE idempotency SET request = decode(repeat('00', length(request)), 'hex') WHERE no = $1";
            self.client.execute(erase, &[&no]).map_err(failed("erasing"))?;
        }
        Ok(())
    }

    fn take_submitted(&mut self, limit: usize) -> Result<Vec<Submission>, StoreError> {
        self.taken(limit)
    }

    fn answer_submitted(&mut self, answers: &[(Uuid, Vec<u8>)]) -> Result<(), StoreError> {
        self.answered(answers)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        if let Some(lease) = self.lease {
            self.renew_locked(lease)?;
        }
        self.client.batch_execute("COMMIT").map_err(failed("committing"))
    }

    fn rollback(&mut self) -> Result<(), StoreError> {
        self.pending = Pending::default();
        self.client.batch_execute("ROLLBACK").map_err(failed("rolling back"))
    }

    /// All of it is done beside the writer.
    fn scrub(&mut self) -> Result<bool, StoreError> {
        Ok(true)
    }

    fn abandon(&mut self) {
        self.abandoned = true;
        // An open transaction has the lock on the lease, and would keep others from taking over.
        let _ = self.client.batch_execute("ROLLBACK");
    }
}

impl Postgres {
    /// Sends the rows of the batch so far.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        let rows = std::mem::take(&mut self.pending);
        let (events, decisions) = (&rows.events, &rows.decisions);
        self.send(
            "INSERT INTO events SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::text[], $4::bigint[], $5::bytea[])",
            events.no.len(),
            &[&events.no, &events.id, &events.kind, &events.time, &events.leaf],
        )?;
        self.send(
            "INSERT INTO decisions SELECT * FROM \
             unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bigint[])",
            decisions.no.len(),
            &[
                &decisions.no,
                &decisions.time,
                &decisions.action,
                &decisions.resource_type,
                &decisions.resource_id,
                &decisions.outcome,
            ],
        )?;
        self.send(
            "INSERT INTO payloads SELECT no, 0, salt, bytes FROM \
             unnest($1::bigint[], $2::bytea[], $3::bytea[]) AS new(no, salt, bytes)",
            rows.payloads.0.len(),
            &[&rows.payloads.0, &rows.payloads.1, &rows.payloads.2],
        )?;
        self.send(
            "INSERT INTO nodes SELECT * FROM unnest($1::bigint[], $2::bytea[])",
            rows.nodes.0.len(),
            &[&rows.nodes.0, &rows.nodes.1],
        )?;
        self.send(
            "INSERT INTO idempotency SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[])",
            rows.idempotency.0.len(),
            &[&rows.idempotency.0, &rows.idempotency.1, &rows.idempotency.2],
        )?;
        self.send(
            "INSERT INTO blobs SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[])",
            rows.blobs.0.len(),
            &[&rows.blobs.0, &rows.blobs.1, &rows.blobs.2],
        )
    }

    fn send(&mut self, text: &'static str, rows: usize, parameters: &[&(dyn ToSql + Sync)]) -> Result<(), StoreError> {
        if rows > 0 {
            self.execute(text, parameters).map_err(failed("adding rows"))?;
        }
        Ok(())
    }
}
