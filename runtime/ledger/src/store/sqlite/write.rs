use std::time::Duration;

use portcullis_gate::Sha256;
use rusqlite::config::DbConfig;

use super::super::filter::{number_of, outcome_number};
use super::super::{Entry, Payload, ReadStore as _, Role, Store};
use super::{Sqlite, failed};
use crate::store_error::StoreError;

impl Store for Sqlite {
    fn begin(&mut self) -> Result<(), StoreError> {
        if self.lock.is_none() {
            return Err(StoreError::refused("this connection is for reading"));
        }
        self.run("BEGIN IMMEDIATE", "beginning a transaction")
    }

    fn insert(&mut self, index: u64, entry: &Entry) -> Result<(), StoreError> {
        let no = number_of(index);
        let event = &entry.event;
        self.db
            .prepare_cached("INSERT INTO events(no, id, kind, time, leaf) VALUES (?1, ?2, ?3, ?4, ?5)")
            .and_then(|mut insert| {
                insert.execute((no, event.id.as_bytes(), &event.kind, event.time.as_millisecond(), &event.leaf))
            })
            .map_err(failed("adding an event"))?;
        if let Some(columns) = &event.columns {
            self.db
                .prepare_cached(
                    "INSERT INTO decisions(no, time, action, resource_type, resource_id, outcome) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )
                .and_then(|mut insert| {
                    insert.execute((
                        no,
                        columns.time.as_millisecond(),
                        &columns.action,
                        &columns.resource_type,
                        &columns.resource_id,
                        outcome_number(columns.outcome),
                    ))
                })
                .map_err(failed("adding a decision's columns"))?;
        }
        if let Some(payload) = &entry.request {
            self.insert_payload(no, Role::Request, payload)?;
        }
        if let Some(payload) = &entry.decision {
            self.insert_payload(no, Role::Decision, payload)?;
        }
        if let Some(idempotency) = &entry.idempotency {
            self.db
                .prepare_cached("INSERT INTO idempotency(no, key, request) VALUES (?1, ?2, ?3)")
                .and_then(|mut insert| insert.execute((no, idempotency.key.as_bytes(), idempotency.request.as_bytes())))
                .map_err(failed("adding an idempotency key"))?;
        }
        for blob in &entry.blobs {
            self.insert_blob(&blob.sha256(), blob.bytes())?;
        }
        Ok(())
    }

    fn insert_node(&mut self, position: u64, hash: &Sha256) -> Result<(), StoreError> {
        self.db
            .prepare_cached("INSERT INTO nodes(no, hash) VALUES (?1, ?2)")
            .and_then(|mut insert| insert.execute((number_of(position), hash.as_bytes())))
            .map_err(failed("adding a node"))?;
        Ok(())
    }

    fn set_checkpoint(&mut self, _size: u64, note: &str) -> Result<(), StoreError> {
        self.db
            .prepare_cached(
                "INSERT INTO checkpoint(no, note) VALUES (0, ?1) ON CONFLICT(no) DO UPDATE SET note = excluded.note",
            )
            .and_then(|mut set| set.execute([note]))
            .map_err(failed("storing the checkpoint"))?;
        Ok(())
    }

    fn insert_handover(&mut self, size: u64, note: &str) -> Result<(), StoreError> {
        self.db
            .prepare_cached("INSERT INTO checkpoint(no, note) VALUES (?1, ?2)")
            .and_then(|mut insert| insert.execute((number_of(size), note)))
            .map_err(failed("storing the hand-over"))?;
        Ok(())
    }

    fn erase(&mut self, index: u64, role: Role) -> Result<(), StoreError> {
        let no = number_of(index);
        // As many zeros as there were bytes: the row is overwritten where it stands, and no page is freed.
        self.db
            .prepare_cached(
                "UPDATE payloads SET erased = 1, salt = zeroblob(length(salt)), bytes = zeroblob(length(bytes)) \
                 WHERE no = ?1",
            )
            .and_then(|mut erase| erase.execute([no.saturating_mul(2).saturating_add(role.number())]))
            .map_err(failed("erasing"))?;
        if role == Role::Request {
            self.db
                .prepare_cached("UPDATE idempotency SET request = zeroblob(length(request)) WHERE no = ?1")
                .and_then(|mut erase| erase.execute([no]))
                .map_err(failed("erasing"))?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.run("COMMIT", "committing")
    }

    fn rollback(&mut self) -> Result<(), StoreError> {
        self.stored.clear();
        if self.db.is_autocommit() { Ok(()) } else { self.run("ROLLBACK", "rolling back") }
    }

    fn scrub(&mut self) -> Result<bool, StoreError> {
        // While it waited for a reader it would hold up the next batch.
        self.db.busy_timeout(Duration::ZERO).map_err(failed("preparing to empty the WAL"))?;
        let moved = self.move_wal("TRUNCATE");
        self.db.busy_timeout(super::BUSY_TIMEOUT).map_err(failed("preparing to write"))?;
        moved.map(|(busy, ..)| busy == 0)
    }

    fn abandon(&mut self) {
        // Closing would move the WAL into the database: a write and a sync after one has failed. If the flag cannot be
        // set, leaking the connection has the same effect.
        let _ = self.db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    }
}

impl Sqlite {
    pub(super) fn run(&self, statement: &str, phase: &'static str) -> Result<(), StoreError> {
        self.db.prepare_cached(statement).and_then(|mut run| run.execute([])).map_err(failed(phase))?;
        Ok(())
    }

    fn insert_payload(&self, no: i64, role: Role, payload: &Payload) -> Result<(), StoreError> {
        self.db
            .prepare_cached("INSERT INTO payloads(no, erased, salt, bytes) VALUES (?1, 0, ?2, ?3)")
            .and_then(|mut insert| {
                insert.execute((
                    no.saturating_mul(2).saturating_add(role.number()),
                    payload.salt.as_bytes(),
                    &payload.bytes,
                ))
            })
            .map_err(failed("adding a payload"))?;
        Ok(())
    }

    fn insert_blob(&mut self, sha256: &Sha256, bytes: &[u8]) -> Result<(), StoreError> {
        if self.stored.contains(sha256) {
            return Ok(());
        }
        if self.stored.len() >= super::MAX_STORED {
            self.stored.clear();
        }
        let there = self.has_blob(sha256)?;
        self.stored.insert(*sha256);
        if there {
            return Ok(());
        }
        self.db
            .prepare_cached("INSERT INTO blobs(no, sha256, bytes) VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| insert.execute((self.next_blob, sha256.as_bytes(), bytes)))
            .map_err(failed("adding a blob"))?;
        self.next_blob = self.next_blob.saturating_add(1);
        Ok(())
    }

    /// Busy or not, frames in the WAL, frames moved.
    pub(super) fn move_wal(&self, mode: &str) -> Result<(i64, i64, i64), StoreError> {
        self.db
            .query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .map_err(failed("moving the WAL into the database"))
    }
}
