use std::path::{Path, PathBuf};

/// Why a store or a ledger did not do what it was asked. Messages are for the operator: they name paths.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A write or sync failed before, and nothing is written since.
    #[error("the ledger stopped and takes nothing more: {cause}")]
    Stopped {
        /// The first failure.
        cause: String,
    },
    /// The queue is full. Nothing was written.
    #[error("the ledger is overloaded: {queued} entries are waiting")]
    Overloaded {
        /// How long the queue may be.
        queued: usize,
    },
    /// The entry can never be appended. Nothing was written.
    #[error("the entry is refused: {problem}")]
    Refused {
        /// What is wrong with it.
        problem: String,
    },
    /// Another process or another ledger of this process writes.
    #[error("{}: another writer has the lock, and kept it for {waited_ms} ms", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// How long was waited.
        waited_ms: u64,
    },
    /// Another replica has taken the lease, so this one writes nothing more.
    #[error("the lease is of epoch {found} now; this writer had epoch {epoch}")]
    Fenced {
        /// This writer's epoch.
        epoch: i64,
        /// The epoch in the store.
        found: i64,
    },
    /// The lease ended before it was renewed. Nobody else took it, and this writer does not take it back.
    #[error("the lease of epoch {epoch} ended before it was renewed; this writer writes nothing more")]
    Lapsed {
        /// This writer's epoch.
        epoch: i64,
    },
    /// Another replica has the lease and it has not ended.
    #[error("{holder} has the lease for {remaining_ms} ms more")]
    Leased {
        /// Who has it.
        holder: String,
        /// How long it lasts.
        remaining_ms: i64,
    },
    /// Nobody wrote what this replica submitted. It was taken back, and is in the ledger of nobody.
    #[error("no replica wrote the entry within {waited_ms} ms; it was taken back")]
    NotTaken {
        /// How long was waited.
        waited_ms: u64,
    },
    /// The entry was submitted to whoever writes, and its answer is lost.
    #[error("whether the entry is in the ledger is unknown: {cause}")]
    Unknown {
        /// What happened to the answer.
        cause: String,
    },
    /// A file that is a database, but no ledger.
    #[error("{what}: not a Portcullis ledger: application id {found:#010x} instead of {expected:#010x}")]
    Foreign {
        /// Which database.
        what: String,
        /// The application id in it.
        found: i64,
        /// A ledger's.
        expected: i64,
    },
    /// A ledger of another format version.
    #[error("{what}: a ledger of format {found}; this program reads and writes format {expected}")]
    Version {
        /// Which database.
        what: String,
        /// The version in it.
        found: i64,
        /// This program's.
        expected: i64,
    },
    /// The signing key is not the ledger's.
    #[error("{}: the key is {found}, but the ledger was made with {expected}", path.display())]
    WrongKey {
        /// The key file.
        path: PathBuf,
        /// The verifier key that belongs to it.
        found: String,
        /// The ledger's verifier key.
        expected: String,
    },
    /// The database lacks events that a signed checkpoint promises: an old copy was restored.
    #[error("{}: signed for {copy} events, but the database has {size}: it is behind", path.display())]
    Behind {
        /// The outside copy, or the checkpoint in the database.
        path: PathBuf,
        /// The checkpoint's size.
        copy: u64,
        /// The database's size.
        size: u64,
    },
    /// The database's tree is not a continuation of a signed checkpoint.
    #[error("{}: the database does not continue the checkpoint of {size} events: {problem}", path.display())]
    NotPrefix {
        /// The outside copy.
        path: PathBuf,
        /// The checkpoint's size.
        size: u64,
        /// What differs.
        problem: String,
    },
    /// An outside copy is missing although the ledger has events.
    #[error("{}: the copy of the checkpoint is missing, and the ledger has {size} events", path.display())]
    CopyMissing {
        /// Where it should be.
        path: PathBuf,
        /// The database's size.
        size: u64,
    },
    /// A file that belongs to the ledger is not readable as what it should be.
    #[error("{}: {problem}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A file operation failed.
    #[error("{}: {phase}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// While doing what.
        phase: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// The database failed.
    #[error("the database: {phase}: {message}")]
    Database {
        /// While doing what.
        phase: &'static str,
        /// What it says.
        message: String,
    },
    /// The database holds what no ledger writes.
    #[error("the database is damaged: {problem}")]
    Damaged {
        /// What is wrong.
        problem: String,
    },
}

impl StoreError {
    pub(crate) fn io(path: &Path, phase: &'static str, source: std::io::Error) -> StoreError {
        StoreError::Io { path: path.to_owned(), phase, source }
    }

    pub(crate) fn file(path: &Path, problem: impl Into<String>) -> StoreError {
        StoreError::File { path: path.to_owned(), problem: problem.into() }
    }

    pub(crate) fn damaged(problem: impl Into<String>) -> StoreError {
        StoreError::Damaged { problem: problem.into() }
    }

    pub(crate) fn refused(problem: impl Into<String>) -> StoreError {
        StoreError::Refused { problem: problem.into() }
    }
}
