//! A ledger in PostgreSQL: when one machine is outgrown.
//!
//! A schema of the database holds one ledger. Any replica reads it; one at a time writes it: who holds the lease. The
//! lease has an epoch that grows with each holder and is checked, under a lock, in every transaction that writes, so a
//! holder who was believed dead and is not cannot commit any more, whatever the clocks say. Time decides only how soon
//! another may take over. Replicas that do not hold the lease hand their entries over in a table.

mod client;
mod connect;
mod read;
pub(crate) mod submitted;
mod verifier;
mod write;

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use portcullis_gate::Sha256;
use tokio_postgres::types::FromSql;
use tokio_postgres::{Row, Statement};
use uuid::Uuid;

use super::{Identity, Listen, OpenReader, ReadStore, TEND_INTERVAL};
use crate::store_error::StoreError;
use client::{Client, Failure, LONG_ANSWER};
use write::Pending;

/// The version of the tables' format.
pub const FORMAT_VERSION: i64 = 1;
/// The value that says that a schema is a ledger.
const MARK: &str = "portcullis-ledger";

/// Where a PostgreSQL ledger is, and how its lease is held.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// As for libpq, such as `host=/run/postgresql user=gate dbname=gate`, or a URL. Over a network, with
    /// `sslmode=verify-full` and `sslrootcert=FILE`: other modes let whoever is in between read or answer. With
    /// `sslcert=FILE` and `sslkey=FILE` where the server asks for a certificate.
    pub connection: String,
    /// The schema, which is made on first use: lower-case letters, digits and underscores.
    pub schema: String,
    /// How this replica is called in messages of others.
    pub holder: String,
    /// How long the lease lasts without being renewed. Renewed with each commit, four times while it lasts, and at least
    /// once a second. A writer that lets it end writes nothing more.
    pub lease: Duration,
}

/// A connection to a PostgreSQL ledger: the writer's, or one for reading.
pub struct Postgres {
    client: Client,
    schema: String,
    /// This writer's epoch, and how long its lease lasts, in milliseconds.
    lease: Option<(i64, i64)>,
    pending: Pending,
    statements: HashMap<String, Statement>,
    next_blob: i64,
    abandoned: bool,
}

impl Postgres {
    /// Opens the ledger for writing, if there is one, and takes the lease.
    ///
    /// # Errors
    /// [`StoreError::Leased`] while another holds the lease, [`StoreError::Foreign`], [`StoreError::Version`], or what
    /// PostgreSQL says.
    pub fn open(options: &PostgresOptions) -> Result<Option<Postgres>, StoreError> {
        let mut store = Postgres::connect(options)?;
        store.client.batch_execute(GIVE_UP).map_err(failed("connecting"))?;
        if !store.exists(options)? {
            return Ok(None);
        }
        store.take_lease(options)?;
        Ok(Some(store))
    }

    /// Makes the schema where there is none, and takes the lease. Of two at the same time one makes it, and the other
    /// finds it.
    ///
    /// # Errors
    /// As for [`Postgres::open`].
    pub fn create(options: &PostgresOptions, identity: &Identity) -> Result<Postgres, StoreError> {
        let mut store = Postgres::connect(options)?;
        store.client.batch_execute(GIVE_UP).map_err(failed("connecting"))?;
        let create = |client: &mut Client| -> Result<(), Failure> {
            client.batch_execute("BEGIN")?;
            client.execute("SELECT pg_advisory_xact_lock(hashtext($1))", &[&options.schema])?;
            let found = client.query("SELECT 1 FROM pg_namespace WHERE nspname = $1", &[&options.schema])?;
            if found.is_empty() {
                client.batch_execute(&format!(
                    "CREATE SCHEMA {0}; SET LOCAL search_path TO {0}; {SCHEMA}",
                    options.schema
                ))?;
                let insert = "INSERT INTO meta(mark, version, origin, verifier_key) VALUES ($1, $2, $3, $4)";
                client.execute(insert, &[&MARK, &FORMAT_VERSION, &identity.origin, &identity.verifier_key])?;
            }
            client.batch_execute("COMMIT")
        };
        // What is not committed ends with the connection.
        create(&mut store.client).map_err(failed("creating the schema"))?;
        if !store.exists(options)? {
            return Err(StoreError::damaged(format!("the schema {} is gone again", options.schema)));
        }
        store.take_lease(options)?;
        Ok(store)
    }

    /// Opens the ledger for reading.
    ///
    /// # Errors
    /// As for [`Postgres::open`], but for the lease.
    pub fn open_reader(options: &PostgresOptions) -> Result<Postgres, StoreError> {
        let mut store = Postgres::connect(options)?;
        if !store.exists(options)? {
            return Err(StoreError::damaged(format!("there is no ledger in the schema {}", options.schema)));
        }
        Ok(store)
    }

    fn connect(options: &PostgresOptions) -> Result<Postgres, StoreError> {
        let name = &options.schema;
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if name.is_empty()
            || name.len() > 60
            || !name.bytes().all(allowed)
            || name.starts_with(|c: char| c.is_ascii_digit())
        {
            return Err(StoreError::refused(format!("{name:?} is no name of a schema")));
        }
        let mut client = connect::connect(&options.connection)?;
        client
            .batch_execute(&format!("SET search_path TO {name}; SET synchronous_commit TO on"))
            .map_err(failed("connecting"))?;
        for setting in ["fsync", "full_page_writes"] {
            let row = client.query_one(&format!("SHOW {setting}"), &[]).map_err(failed("connecting"))?;
            let value: String = row.try_get(0).map_err(failed("connecting"))?;
            if value != "on" {
                return Err(StoreError::refused(format!(
                    "PostgreSQL has {setting} = {value}: commits are not durable"
                )));
            }
        }
        Ok(Postgres {
            client,
            schema: name.clone(),
            lease: None,
            pending: Pending::default(),
            statements: HashMap::new(),
            next_blob: 0,
            abandoned: false,
        })
    }

    fn exists(&mut self, options: &PostgresOptions) -> Result<bool, StoreError> {
        let find = "SELECT to_regclass($1) IS NOT NULL, EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $2)";
        let table = format!("{}.meta", options.schema);
        let row = self.client.query_one(find, &[&table, &options.schema]).map_err(failed("looking for the schema"))?;
        let (has_meta, has_schema): (bool, bool) = (get(&row, 0)?, get(&row, 1)?);
        let what = format!("schema {}", options.schema);
        if !has_meta {
            if has_schema {
                return Err(StoreError::Foreign { what, found: 0, expected: FORMAT_VERSION });
            }
            return Ok(false);
        }
        let row = self.client.query_one("SELECT mark, version FROM meta", &[]).map_err(failed("reading meta"))?;
        let (mark, found): (String, i64) = (get(&row, 0)?, get(&row, 1)?);
        if mark != MARK {
            return Err(StoreError::Foreign { what, found: 0, expected: FORMAT_VERSION });
        }
        if found != FORMAT_VERSION {
            return Err(StoreError::Version { what, found, expected: FORMAT_VERSION });
        }
        Ok(true)
    }

    /// Opens the ledger to hand entries to whoever writes.
    pub(crate) fn open_submitter(options: &PostgresOptions) -> Result<Postgres, StoreError> {
        let mut store = Postgres::open_reader(options)?;
        store.listen("answered")?;
        Ok(store)
    }

    fn take_lease(&mut self, options: &PostgresOptions) -> Result<(), StoreError> {
        let lasts = i64::try_from(options.lease.as_millis()).unwrap_or(i64::MAX);
        let take = |client: &mut Client| -> Result<Result<i64, StoreError>, Failure> {
            client.batch_execute("BEGIN")?;
            let row = client.query_one(
                "SELECT epoch, holder, (extract(epoch FROM ends - clock_timestamp()) * 1000)::bigint \
                 FROM lease FOR UPDATE",
                &[],
            )?;
            let (epoch, holder, remaining_ms): (i64, String, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            if remaining_ms > 0 {
                client.batch_execute("ROLLBACK")?;
                return Ok(Err(StoreError::Leased { holder, remaining_ms }));
            }
            let epoch = epoch.saturating_add(1);
            client.execute(
                "UPDATE lease SET epoch = $1, holder = $2, ends = clock_timestamp() + $3 * interval '1 millisecond'",
                &[&epoch, &options.holder, &(lasts as f64)],
            )?;
            client.batch_execute("COMMIT")?;
            Ok(Ok(epoch))
        };
        let epoch = take(&mut self.client).map_err(failed("taking the lease"))??;
        self.lease = Some((epoch, lasts));
        let row = self.client.query_one("SELECT max(no) FROM blobs", &[]).map_err(failed("reading the last blob"))?;
        let last: Option<i64> = get(&row, 0)?;
        self.next_blob = last.map_or(0, |last| last.saturating_add(1));
        self.client.batch_execute(PENDING).map_err(failed("making the table of submissions"))
    }

    /// Renews the lease in the transaction that [`Store::begin`](super::Store::begin) began, which holds the lock on it:
    /// nobody took it in between, so one that ended meanwhile goes on.
    fn renew_locked(&mut self, (epoch, lasts): (i64, i64)) -> Result<(), StoreError> {
        let renew = "UPDATE lease SET ends = clock_timestamp() + $2 * interval '1 millisecond' WHERE epoch = $1";
        let renewed = self.execute(renew, &[&epoch, &(lasts as f64)]).map_err(failed("renewing the lease"))?;
        if renewed == 1 { Ok(()) } else { Err(StoreError::Fenced { epoch, found: self.epoch()? }) }
    }

    /// Renews the lease while it lasts. One that ended, or that its holder gave back, stays ended: otherwise whoever goes on
    /// renewing beside a writer that is gone would keep others from taking over for good.
    fn renew(&mut self, (epoch, lasts): (i64, i64)) -> Result<(), StoreError> {
        let renew = "UPDATE lease SET ends = clock_timestamp() + $2 * interval '1 millisecond' \
                     WHERE epoch = $1 AND ends > clock_timestamp()";
        let renewed = self.execute(renew, &[&epoch, &(lasts as f64)]).map_err(failed("renewing the lease"))?;
        if renewed == 1 {
            return Ok(());
        }
        match self.epoch()? {
            found if found == epoch => Err(StoreError::Lapsed { epoch }),
            found => Err(StoreError::Fenced { epoch, found }),
        }
    }

    fn epoch(&mut self) -> Result<i64, StoreError> {
        let row = self.client.query_one("SELECT epoch FROM lease", &[]).map_err(failed("reading the lease"))?;
        get(&row, 0)
    }

    /// Who has the lease, where it has not ended.
    pub(crate) fn leased(&mut self) -> Result<Option<String>, StoreError> {
        let holders = self.many("SELECT holder FROM lease WHERE ends > clock_timestamp()", &[], |row| get(row, 0))?;
        Ok(holders.into_iter().next())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let (Some((epoch, _)), false) = (self.lease, self.abandoned) {
            // Others need not wait for the end of a lease that nobody uses. If this fails, they wait.
            let _ = self.client.execute("UPDATE lease SET ends = clock_timestamp() WHERE epoch = $1", &[&epoch]);
        }
    }
}

/// Opens connections for reading, and keeps the writer's lease.
pub struct PostgresReaders {
    options: PostgresOptions,
    lease: Option<(i64, i64)>,
    tending: Mutex<Option<Postgres>>,
}

impl PostgresReaders {
    /// Beside a writer.
    #[must_use]
    pub fn new(options: PostgresOptions, writer: &Postgres) -> PostgresReaders {
        PostgresReaders { options, lease: writer.lease, tending: Mutex::new(None) }
    }

    /// Without a writer in this process.
    #[must_use]
    pub fn without_writer(options: PostgresOptions) -> PostgresReaders {
        PostgresReaders { options, lease: None, tending: Mutex::new(None) }
    }
}

impl OpenReader for PostgresReaders {
    fn listen(&self) -> Result<Option<Box<dyn Listen>>, StoreError> {
        let mut store = Postgres::open_reader(&self.options)?;
        store.listen("submitted")?;
        Ok(Some(Box::new(store)))
    }

    fn open_reader(&self) -> Result<Box<dyn ReadStore>, StoreError> {
        Ok(Box::new(Postgres::open_reader(&self.options)?))
    }

    fn tend_interval(&self) -> Duration {
        // Often enough that one that comes late, on a busy machine, is still in time.
        self.lease.map_or(TEND_INTERVAL, |(_, lasts)| {
            let lasts = Duration::from_millis(u64::try_from(lasts).unwrap_or(0));
            (lasts / 4).clamp(Duration::from_millis(20), TEND_INTERVAL)
        })
    }

    fn tend(&self) -> Result<(), StoreError> {
        let Some(lease) = self.lease else { return Ok(()) };
        let mut tending = self.tending.lock().unwrap_or_else(PoisonError::into_inner);
        if tending.is_none() {
            *tending = Some(Postgres::open_reader(&self.options)?);
        }
        tending.as_mut().map_or(Ok(()), |connection| connection.renew(lease).and_then(|()| connection.purge()))
    }

    /// Dead rows hold what was erased until they are vacuumed; the write-ahead log holds it until it is recycled. On a
    /// connection of its own: a table that takes long must not cost the lease.
    fn prepare_scrub(&self) -> Result<(), StoreError> {
        let mut connection = Postgres::open_reader(&self.options)?;
        connection.client.wait_for(LONG_ANSWER);
        connection.client.batch_execute("VACUUM payloads").map_err(failed("vacuuming"))?;
        connection.client.batch_execute("VACUUM idempotency").map_err(failed("vacuuming"))
    }
}

impl Listen for Postgres {
    fn wait(&mut self, time: Duration) -> Result<bool, StoreError> {
        self.heard(time)
    }
}

/// What is asked for by key while a batch is being put together: the rows that are not in the database yet.
#[derive(Default)]
struct Known {
    ids: HashMap<Uuid, u64>,
    keys: HashMap<Sha256, (u64, super::Idempotency)>,
    blobs: HashSet<Sha256>,
}

/// The server gives up what others wait for, such as the lock on the lease, a little before a writer that hears nothing from
/// it: where what is between them is gone, nobody else tells it.
const GIVE_UP: &str = "SET lock_timeout = '25s'; SET idle_in_transaction_session_timeout = '25s'";

/// What replicas hand to the writer. No part of the ledger: answered rows are of no use.
const PENDING: &str = "
    CREATE TABLE IF NOT EXISTS pending(no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id bytea NOT NULL UNIQUE, entry bytea NOT NULL, submitted_by text NOT NULL, ends timestamptz NOT NULL, answer bytea);
";

/// As in SQLite, but that text from requests is kept as bytes: PostgreSQL's text cannot hold every character.
const SCHEMA: &str = "
    CREATE TABLE meta(mark text NOT NULL, version bigint NOT NULL, origin text NOT NULL, verifier_key text NOT NULL);
    CREATE TABLE lease(epoch bigint NOT NULL, holder text NOT NULL, ends timestamptz NOT NULL);
    INSERT INTO lease VALUES (0, 'nobody', clock_timestamp());
    CREATE TABLE checkpoint(no bigint PRIMARY KEY, note text NOT NULL);
    CREATE TABLE events(no bigint PRIMARY KEY, id bytea NOT NULL, kind text NOT NULL, time bigint NOT NULL, leaf bytea NOT NULL);
    CREATE UNIQUE INDEX events_id ON events(id);
    CREATE INDEX events_kind ON events(kind, no) WHERE kind <> 'decision';
    CREATE TABLE nodes(no bigint PRIMARY KEY, hash bytea NOT NULL);
    CREATE TABLE blobs(no bigint PRIMARY KEY, sha256 bytea NOT NULL, bytes bytea NOT NULL);
    CREATE UNIQUE INDEX blobs_sha256 ON blobs(sha256);
    CREATE TABLE payloads(no bigint PRIMARY KEY, erased bigint NOT NULL, salt bytea NOT NULL, bytes bytea NOT NULL);
    CREATE TABLE decisions(no bigint PRIMARY KEY, time bigint NOT NULL, action bytea NOT NULL, resource_type bytea NOT NULL, resource_id bytea NOT NULL, outcome bigint NOT NULL);
    CREATE INDEX decisions_time ON decisions(time, outcome);
    CREATE INDEX decisions_action ON decisions(action, time, outcome);
    CREATE INDEX decisions_resource ON decisions(resource_type, resource_id, time, action, outcome);
    CREATE TABLE idempotency(no bigint PRIMARY KEY, key bytea NOT NULL, request bytea NOT NULL);
    CREATE UNIQUE INDEX idempotency_key ON idempotency(key);
";

fn get<'r, T: FromSql<'r>>(row: &'r Row, column: usize) -> Result<T, StoreError> {
    row.try_get(column).map_err(failed("reading a row"))
}

fn failed<E: Into<Failure>>(phase: &'static str) -> impl Fn(E) -> StoreError {
    move |error| {
        let message = match error.into() {
            // The error itself says only its kind; the server's words are below it.
            Failure::Postgres(error) => {
                let source = std::error::Error::source(&error).map_or_else(String::new, |source| format!(": {source}"));
                format!("{error}{source}")
            }
            other => other.to_string(),
        };
        StoreError::Database { phase, message }
    }
}
