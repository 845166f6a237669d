//! How a ledger is opened: where its key and the copies of its checkpoint are, and what must be signed before anything is.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use crate::outside::{self, KeyFile};
use crate::prefix::{check_prefix, check_signed, edge_of};
use crate::reader::{DEFAULT_READERS, Reader};
use crate::replica::{Candidate, Replica, Submitter};
use crate::rotate;
use crate::sequencer::{Sequencer, Shared, sign_edge};
use crate::store::postgres::submitted::Seal;
use crate::store::postgres::{Postgres, PostgresOptions, PostgresReaders};
use crate::store::sqlite::{Sqlite, SqliteOptions, SqliteReaders, WriterLock, beside};
use crate::store::{Identity, OpenReader, Store};
use crate::store_error::StoreError;
use crate::threads::{Threads, spawn};
use crate::{Checkpoint, KeyChain, Ledger, SigningKey};

/// How often a lease of another is looked at, at least and at most.
const LEASE_POLL: Duration = Duration::from_millis(20);
const LEASE_POLL_MOST: Duration = Duration::from_millis(250);

/// How a ledger is opened.
#[derive(Clone, Debug)]
pub struct LedgerOptions {
    /// The file with the signing key. Made, with mode 0600, together with the ledger. Default: `FILE.key`.
    pub key: Option<PathBuf>,
    /// Where copies of the newest checkpoint are kept. Default: `FILE.checkpoint`. Each should be where whoever could
    /// put back an old database could not put back an old copy.
    pub copies: Option<Vec<PathBuf>>,
    /// Lets copies be missing although the ledger has events: for adding one, once.
    pub add_copies: bool,
    /// A new ledger's origin, the name in its checkpoints. Default: `portcullis.local/` and a UUID.
    pub origin: Option<String>,
    /// Most entries that wait; one more is answered with [`StoreError::Overloaded`].
    pub max_queue: usize,
    /// Most entries of one transaction.
    pub max_batch: usize,
    /// How long to wait for another writer to go away.
    pub lock_wait: Duration,
    /// Bytes of a page of a new SQLite database.
    pub page_bytes: u32,
    /// Most connections for reading that are open at once. Whoever finds all of them in use waits.
    pub max_readers: usize,
    /// How long a replica waits for whoever writes to append an entry. Longer than a lease, so that another can take over.
    pub submit_wait: Duration,
}

impl Default for LedgerOptions {
    fn default() -> LedgerOptions {
        let sqlite = SqliteOptions::default();
        LedgerOptions {
            key: None,
            copies: None,
            add_copies: false,
            origin: None,
            max_queue: 4096,
            max_batch: 1024,
            // Commands that follow each other in a pipeline, and a verification, hold it for moments.
            lock_wait: Duration::from_secs(5),
            page_bytes: sqlite.page_bytes,
            max_readers: DEFAULT_READERS,
            submit_wait: Duration::from_secs(15),
        }
    }
}

impl Ledger {
    /// Opens the ledger in a SQLite file, or makes one where there is none. O(log n).
    ///
    /// # Errors
    /// [`StoreError`]: another writer, another format, another key, a database that is behind a signed checkpoint or does
    /// not continue it, one with events that its own checkpoint does not speak of, a copy that is missing.
    pub fn open(path: &Path, options: &LedgerOptions) -> Result<Ledger, StoreError> {
        let key_file = options.key.clone().unwrap_or_else(|| beside(path, "key"));
        let copies = options.copies.clone().unwrap_or_else(|| vec![beside(path, "checkpoint")]);
        let lock = WriterLock::take(path, options.lock_wait)?;
        let store = if Sqlite::is_new(path)? {
            let key = new_key(&key_file, &copies, options)?;
            let identity = identity_of(&key);
            let sqlite = SqliteOptions { lock_wait: options.lock_wait, page_bytes: options.page_bytes };
            Sqlite::create(path, lock, &identity, &sqlite)?
        } else {
            Sqlite::open(path, lock)?
        };
        let readers = Arc::new(SqliteReaders::new(path.to_owned()));
        Ledger::start(Box::new(store), readers, &key_file, copies, options)
    }

    /// Opens the ledger in a PostgreSQL schema, or makes one where there is none, once nobody else has its lease.
    /// `options.lock_wait` is how long to wait for that. All replicas need the same key file, and copies of their own.
    ///
    /// # Errors
    /// As for [`Ledger::open`], and [`StoreError::Leased`].
    pub fn open_postgres(
        place: &PostgresOptions,
        key_file: &Path,
        copies: &[PathBuf],
        options: &LedgerOptions,
    ) -> Result<Ledger, StoreError> {
        let start = Instant::now();
        let store = loop {
            match Postgres::open(place) {
                Err(StoreError::Leased { remaining_ms, .. }) if start.elapsed() < options.lock_wait => {
                    let remaining = Duration::from_millis(u64::try_from(remaining_ms).unwrap_or(0));
                    let left = options.lock_wait.saturating_sub(start.elapsed());
                    std::thread::sleep(remaining.min(left).clamp(LEASE_POLL, LEASE_POLL_MOST));
                }
                other => break other?,
            }
        };
        let store = match store {
            Some(store) => store,
            None => {
                let key = new_key(key_file, copies, options)?;
                Postgres::create(place, &identity_of(&key))?
            }
        };
        let readers = Arc::new(PostgresReaders::new(place.clone(), &store));
        Ledger::start(Box::new(store), readers, key_file, copies.to_vec(), options)
    }

    /// Joins the replicas of a ledger in a PostgreSQL schema, which is made where there is none. Any number of them decide;
    /// the one that holds the lease writes what all of them bring, and another one takes over when it ends.
    ///
    /// All replicas need the same key file, and copies of their own, which are made where they are missing. An append waits
    /// at most for `options.submit_wait`, whoever writes.
    ///
    /// # Errors
    /// As for [`Ledger::open_postgres`], but for the lease.
    pub fn join_postgres(
        place: &PostgresOptions,
        key_file: &Path,
        copies: &[PathBuf],
        options: &LedgerOptions,
    ) -> Result<Ledger, StoreError> {
        let candidate = Candidate::start(place, key_file, copies, options)?;
        let readers = Arc::new(PostgresReaders::without_writer(place.clone()));
        let reader = Reader::new(readers, options.max_readers);
        let file = rotate::key_of(&reader.keys()?, key_file)?;
        // A replica signs nothing: what is stored is asked for.
        let shared = Arc::new(Shared::new(0, String::new()));
        let (queue, jobs) = sync_channel(options.max_queue.max(1));
        let submitter =
            Submitter::new(place.clone(), Seal::new(&file.secret), options.submit_wait, options.max_batch.max(1));
        let submitter = spawn("ledger-submitter", move || submitter.run(&jobs))?;
        let replica = Replica { submitter: Some(submitter), candidate };
        Ok(Ledger {
            threads: Threads::of_replica(queue, shared, replica),
            max_queue: options.max_queue.max(1),
            reader: Some(reader),
            verifier: file.key.verifier().clone(),
            secret: file.secret,
            key_file: key_file.to_owned(),
        })
    }

    /// Opens the ledger in a store that was opened for writing.
    ///
    /// # Errors
    /// As for [`Ledger::open`].
    pub fn start(
        mut store: Box<dyn Store>,
        readers: Arc<dyn OpenReader>,
        key_file: &Path,
        copies: Vec<PathBuf>,
        options: &LedgerOptions,
    ) -> Result<Ledger, StoreError> {
        let chain = KeyChain::of(store.as_mut())?;
        let KeyFile { key, secret } = rotate::key_of(&chain, key_file)?;
        let verifier = key.verifier().clone();
        let edge = edge_of(store.as_mut())?;
        check_signed(store.as_mut(), &edge, &chain)?;
        for copy in &copies {
            match outside::read_copy(copy)? {
                Some(note) => check_prefix(store.as_mut(), &edge, &note, &chain, copy)?,
                None if edge.size() == 0 || options.add_copies => {}
                None => return Err(StoreError::CopyMissing { path: copy.clone(), size: edge.size() }),
            }
        }
        let note = sign_edge(&edge, &key)?;
        copies.iter().try_for_each(|copy| outside::write_text(copy, &note))?;

        let shared = Arc::new(Shared::new(edge.size(), note));
        let sequencer =
            Sequencer::new(store, edge, key, Arc::clone(&shared), Seal::new(&secret), options.max_batch.max(1));
        let max_queue = options.max_queue.max(1);
        let threads = Threads::of_writer(sequencer, shared, Arc::clone(&readers), copies, max_queue)?;
        Ok(Ledger {
            threads,
            max_queue,
            reader: Some(Reader::new(readers, options.max_readers)),
            verifier,
            secret,
            key_file: key_file.to_owned(),
        })
    }
}

fn new_key(path: &Path, copies: &[PathBuf], options: &LedgerOptions) -> Result<SigningKey, StoreError> {
    let found = outside::read_key(path)?.map(|file| file.key);
    for copy in copies {
        let Some(note) = outside::read_copy(copy)? else { continue };
        let Some(key) = &found else {
            return Err(StoreError::file(copy, "there is a checkpoint, but neither its database nor its key"));
        };
        let signed = Checkpoint::open(&note, key.verifier()).map_err(|e| StoreError::file(copy, e.to_string()))?;
        if signed.size() > 0 {
            return Err(StoreError::Behind { path: copy.clone(), copy: signed.size(), size: 0 });
        }
    }
    match found {
        Some(key) => Ok(key),
        None => {
            let origin = options.origin.clone();
            outside::make_key(path, &origin.unwrap_or_else(|| format!("portcullis.local/{}", uuid::Uuid::now_v7())))
        }
    }
}

fn identity_of(key: &SigningKey) -> Identity {
    Identity { origin: key.verifier().name().to_owned(), verifier_key: key.verifier().to_string() }
}
