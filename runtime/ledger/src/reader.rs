//! Reading a ledger, from any number of threads, while it is written to or not.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use crate::log::stored_node;
use crate::store::pool::Pool;
use crate::store::postgres::{Postgres, PostgresOptions, PostgresReaders};
use crate::store::sqlite::{Sqlite, SqliteReaders};
use crate::store::{
    EventRow, HistoryAnswer, HistoryQuery, Identity, ListFilter, ListedDecision, OpenReader, ReadStore, Role,
    StoredPayload,
};
use crate::store_error::StoreError;
use crate::{KeyChain, ProofError, Sha256, consistency_proof, inclusion_proof};

/// Most connections of a [`Reader`] where nothing else is asked for: few enough for some replicas of a PostgreSQL ledger
/// beside each other, which takes 100 connections by default.
pub const DEFAULT_READERS: usize = 8;

/// Reads what is committed. Connections are opened as needed and kept; there are at most so many, and who finds all of
/// them in use waits.
pub struct Reader(Pool);

impl Reader {
    /// Opens a SQLite ledger for reading only. Another process may have it open for writing.
    ///
    /// # Errors
    /// [`StoreError::Foreign`], [`StoreError::Version`], or what SQLite says.
    pub fn open(path: &Path) -> Result<Reader, StoreError> {
        let reader = Reader::new(Arc::new(SqliteReaders::new(path.to_owned())), DEFAULT_READERS);
        reader.0.keep(Box::new(Sqlite::open_reader(path)?));
        Ok(reader)
    }

    /// Opens a PostgreSQL ledger for reading only, whoever writes to it.
    ///
    /// # Errors
    /// As for [`Reader::open`], with what PostgreSQL says.
    pub fn open_postgres(place: &PostgresOptions) -> Result<Reader, StoreError> {
        let reader = Reader::new(Arc::new(PostgresReaders::without_writer(place.clone())), DEFAULT_READERS);
        reader.0.keep(Box::new(Postgres::open_reader(place)?));
        Ok(reader)
    }

    pub(crate) fn new(opener: Arc<dyn OpenReader>, most: usize) -> Reader {
        Reader(Pool::new(opener, most))
    }

    /// Reads with one connection. Where one that was kept is gone, as after a restart of the server, `read` is called again
    /// with a new one. After any other error the connection is not used again.
    ///
    /// # Errors
    /// What `read` says, or [`StoreError`] where no connection can be opened or becomes free.
    pub fn with<T>(&self, read: impl FnMut(&mut dyn ReadStore) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.0.with(read)
    }

    /// How many events there are.
    ///
    /// # Errors
    /// [`StoreError`], here and below: the store could not be read or is damaged.
    pub fn size(&self) -> Result<u64, StoreError> {
        self.with(|store| store.size())
    }

    /// The ledger's origin and verifier key.
    pub fn identity(&self) -> Result<Identity, StoreError> {
        self.with(|store| store.identity())
    }

    /// The keys that signed, one after the other. Each hand-over is checked.
    pub fn keys(&self) -> Result<KeyChain, StoreError> {
        self.with(|store| KeyChain::of(store))
    }

    /// The events of a range of indexes, in order.
    pub fn events(&self, range: Range<u64>) -> Result<Vec<(u64, EventRow)>, StoreError> {
        self.with(|store| store.events(range.clone()))
    }

    /// The index and bytes of the event of that id.
    pub fn find(&self, id: Uuid) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        self.with(|store| {
            let Some(index) = store.find(id)? else { return Ok(None) };
            let leaf = store.leaf(index)?.ok_or_else(|| StoreError::damaged(format!("event {index} is missing")))?;
            Ok(Some((index, leaf)))
        })
    }

    /// The latest events of a kind other than `decision`, with an index below `before`; the latest first.
    pub fn of_kind(&self, kind: &str, before: u64, limit: u32) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.with(|store| store.of_kind(kind, before, limit))
    }

    /// The bytes of that digest. They are hashed again, and other bytes are an error.
    pub fn blob(&self, sha256: &Sha256) -> Result<Option<Vec<u8>>, StoreError> {
        self.with(|store| {
            let found = store.blob(sha256)?;
            match &found {
                Some(bytes) if Sha256::of(bytes) != *sha256 => {
                    Err(StoreError::damaged(format!("the blob {sha256} has other bytes")))
                }
                _ => Ok(found),
            }
        })
    }

    /// The request that the decision of that id is about. Its bytes are not compared with the event's commitment here.
    pub fn request_of(&self, id: Uuid) -> Result<Option<StoredPayload>, StoreError> {
        self.payload_of(id, Role::Request)
    }

    /// The full JSON of the decision of that id. Its bytes are not compared with the event's commitment here.
    pub fn decision_of(&self, id: Uuid) -> Result<Option<StoredPayload>, StoreError> {
        self.payload_of(id, Role::Decision)
    }

    /// A complete node of the tree. Level 0 are the leaves' hashes.
    pub fn node(&self, level: u8, index: u64) -> Result<Sha256, StoreError> {
        self.with(|store| stored_node(store, level, index))
    }

    /// Decisions, the latest index first.
    pub fn list(&self, filter: &ListFilter, limit: u32) -> Result<Vec<ListedDecision>, StoreError> {
        self.with(|store| store.list(filter, limit))
    }

    /// Counts decisions.
    pub fn history(&self, query: &HistoryQuery) -> Result<HistoryAnswer, StoreError> {
        self.with(|store| store.history(query))
    }

    /// The inclusion proof of the event of that index in the tree of the first `size` events.
    ///
    /// # Errors
    /// [`StoreError::Refused`] where there is no such event or tree.
    pub fn prove_inclusion(&self, index: u64, size: u64) -> Result<Vec<Sha256>, StoreError> {
        self.with(|store| inclusion_proof(index, size, |level, index| stored_node(store, level, index)).map_err(proof))
    }

    /// The proof that the tree of the first `old` events is a prefix of that of the first `new`.
    ///
    /// # Errors
    /// [`StoreError::Refused`] where there are no such trees.
    pub fn prove_consistency(&self, old: u64, new: u64) -> Result<Vec<Sha256>, StoreError> {
        self.with(|store| consistency_proof(old, new, |level, index| stored_node(store, level, index)).map_err(proof))
    }

    fn payload_of(&self, id: Uuid, role: Role) -> Result<Option<StoredPayload>, StoreError> {
        self.with(|store| match store.find(id)? {
            Some(index) => store.payload(index, role),
            None => Ok(None),
        })
    }
}

fn proof(error: ProofError<StoreError>) -> StoreError {
    match error {
        ProofError::Node(error) => error,
        other => StoreError::refused(other.to_string()),
    }
}
