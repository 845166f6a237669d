//! The database's schema and the identity of its format. Changing anything here is a new format version.

use rusqlite::Connection;

use super::failed;
use crate::store_error::StoreError;

/// `PRAGMA application_id` of a ledger: "PLGR".
pub const APPLICATION_ID: i64 = 0x504c_4752;
/// `PRAGMA user_version`: the version of the format.
pub const FORMAT_VERSION: i64 = 1;

/// Rows are only added, in the order of their integer key, or overwritten with rows of the same length. So no page of a
/// table is ever freed, and none holds a remnant of another. Pages of indexes, whose keys come in any order, may be.
pub(super) const SCHEMA: [&str; 15] = [
    "CREATE TABLE meta(no INTEGER PRIMARY KEY, value TEXT NOT NULL) STRICT",
    "CREATE TABLE checkpoint(no INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT",
    "CREATE TABLE events(no INTEGER PRIMARY KEY, id BLOB NOT NULL, kind TEXT NOT NULL, time INTEGER NOT NULL, leaf BLOB NOT NULL) STRICT",
    "CREATE UNIQUE INDEX events_id ON events(id)",
    "CREATE INDEX events_kind ON events(kind) WHERE kind <> 'decision'",
    "CREATE TABLE nodes(no INTEGER PRIMARY KEY, hash BLOB NOT NULL) STRICT",
    "CREATE TABLE blobs(no INTEGER PRIMARY KEY, sha256 BLOB NOT NULL, bytes BLOB NOT NULL) STRICT",
    "CREATE UNIQUE INDEX blobs_sha256 ON blobs(sha256)",
    "CREATE TABLE payloads(no INTEGER PRIMARY KEY, erased INTEGER NOT NULL, salt BLOB NOT NULL, bytes BLOB NOT NULL) STRICT",
    "CREATE TABLE decisions(no INTEGER PRIMARY KEY, time INTEGER NOT NULL, action TEXT NOT NULL, resource_type TEXT NOT NULL, resource_id TEXT NOT NULL, outcome INTEGER NOT NULL) STRICT",
    "CREATE INDEX decisions_time ON decisions(time, outcome)",
    "CREATE INDEX decisions_action ON decisions(action, time, outcome)",
    "CREATE INDEX decisions_resource ON decisions(resource_type, resource_id, time, action, outcome)",
    "CREATE TABLE idempotency(no INTEGER PRIMARY KEY, key BLOB NOT NULL, request BLOB NOT NULL) STRICT",
    "CREATE UNIQUE INDEX idempotency_key ON idempotency(key)",
];

pub(super) const META_ORIGIN: i64 = 1;
pub(super) const META_KEY: i64 = 2;
/// The SQLite version that wrote the file last; it stands in the file's header too.
pub(super) const META_SQLITE: i64 = 3;

/// Whether the database has nothing in it: not even another program's tables.
pub(super) fn is_empty(db: &Connection) -> Result<bool, StoreError> {
    let objects: i64 = db
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(failed("reading the schema"))?;
    Ok(objects == 0 && pragma(db, "application_id")? == 0 && pragma(db, "user_version")? == 0)
}

/// Refuses other programs' databases and other versions of the format.
pub(super) fn check_format(db: &Connection, what: &str) -> Result<(), StoreError> {
    let found = pragma(db, "application_id")?;
    if found != APPLICATION_ID {
        return Err(StoreError::Foreign { what: what.to_owned(), found, expected: APPLICATION_ID });
    }
    let found = pragma(db, "user_version")?;
    if found != FORMAT_VERSION {
        return Err(StoreError::Version { what: what.to_owned(), found, expected: FORMAT_VERSION });
    }
    Ok(())
}

pub(super) fn pragma(db: &Connection, name: &'static str) -> Result<i64, StoreError> {
    db.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).map_err(failed(name))
}
