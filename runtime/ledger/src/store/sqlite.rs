//! A ledger in one SQLite file: the embedded default.
//!
//! WAL with `synchronous=FULL`: a commit is durable when it returns. One writer, held by an operating-system lock on
//! `FILE.lock`; others may read meanwhile. What erasure overwrites is gone from the file (`secure_delete`) and, after
//! [`Store::scrub`](super::Store::scrub), from the WAL.

mod header;
mod pages;
mod read;
mod schema;
mod write;

use std::collections::HashSet;
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

pub(crate) use pages::Account;
pub use pages::{MAX_PAGE_PROBLEMS, PageProblem, PageReport, check_pages};
use portcullis_gate::Sha256;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
pub use schema::{APPLICATION_ID, FORMAT_VERSION};
use schema::{META_KEY, META_ORIGIN, META_SQLITE, SCHEMA};

use super::{Identity, OpenReader, ReadStore};
use crate::store_error::StoreError;

/// Bytes of a database page where nothing else is asked for.
pub const DEFAULT_PAGE_BYTES: u32 = 4096;
/// Frames in the WAL that are not in the database yet, from which on they are moved there beside the writer. A move syncs
/// both files, and a commit at the same time waits for the same disk: so not for every few.
const TENDED_FRAMES: i64 = 4096;
/// Bytes of a WAL with so many frames, of the smallest pages: a shorter one need not be opened to be counted.
const TENDED_WAL_BYTES: u64 = 4096 * 512;
/// Frames in the WAL at which a commit moves them, idle or not.
const FORCED_CHECKPOINT_FRAMES: i64 = 16_384;
/// How long a statement waits for another connection's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How a SQLite ledger is opened for writing.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// How long to wait for another writer to go away.
    pub lock_wait: Duration,
    /// Bytes of a page of a new database: a power of two from 512 to 65536.
    pub page_bytes: u32,
}

impl Default for SqliteOptions {
    fn default() -> SqliteOptions {
        SqliteOptions { lock_wait: Duration::ZERO, page_bytes: DEFAULT_PAGE_BYTES }
    }
}

/// A connection to a SQLite ledger: the writer's, or one for reading.
pub struct Sqlite {
    db: Connection,
    /// Held while this connection may write.
    lock: Option<File>,
    /// Whether it was opened as a file that nobody writes to: what is written nevertheless is not seen.
    still: bool,
    next_blob: i64,
    /// Digests of blobs that this writer found or put there, so that each is looked for once.
    stored: HashSet<Sha256>,
}

/// Most digests that are remembered.
const MAX_STORED: usize = 65_536;

/// The writer's lock on a ledger file, taken before anything of the ledger is read.
pub struct WriterLock(File);

impl WriterLock {
    /// Takes the lock on `FILE.lock`, waiting for at most `wait`. Where `FILE` is something else than a ledger, nothing is
    /// made beside it.
    ///
    /// # Errors
    /// [`StoreError::Locked`], [`StoreError::Io`], [`StoreError::File`], [`StoreError::Foreign`].
    pub fn take(path: &Path, wait: Duration) -> Result<WriterLock, StoreError> {
        header::check(path)?;
        let path = beside(path, "lock");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|e| StoreError::io(&path, "opening the lock file", e))?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(WriterLock(file)),
                Err(TryLockError::WouldBlock) if start.elapsed() < wait => {
                    std::thread::sleep(LOCK_POLL.min(wait));
                }
                Err(TryLockError::WouldBlock) => {
                    let waited_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                    return Err(StoreError::Locked { path, waited_ms });
                }
                Err(TryLockError::Error(e)) => return Err(StoreError::io(&path, "locking", e)),
            }
        }
    }
}

const LOCK_POLL: Duration = Duration::from_millis(10);

impl Sqlite {
    /// Opens an existing ledger for writing.
    ///
    /// # Errors
    /// [`StoreError::Foreign`], [`StoreError::Version`], [`StoreError::Damaged`], or what SQLite says.
    pub fn open(path: &Path, lock: WriterLock) -> Result<Sqlite, StoreError> {
        let db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        schema::check_format(&db, &path.display().to_string())?;
        let mut store = Sqlite { db, lock: Some(lock.0), still: false, next_blob: 0, stored: HashSet::new() };
        store.prepare_writing()?;
        Ok(store)
    }

    /// Creates a ledger where there is none: a file that is missing, empty, or was left by a creation that did not
    /// finish.
    ///
    /// # Errors
    /// [`StoreError::File`] where something is there, or what SQLite says.
    pub fn create(
        path: &Path,
        lock: WriterLock,
        identity: &Identity,
        options: &SqliteOptions,
    ) -> Result<Sqlite, StoreError> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(|e| StoreError::io(path, "creating the database", e))?;
        let db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        if !schema::is_empty(&db)? {
            return Err(StoreError::file(path, "there is a database already"));
        }
        // A file that was there and empty may be everyone's to read, and requests are going to be in it.
        std::fs::set_permissions(path, Permissions::from_mode(0o600))
            .map_err(|e| StoreError::io(path, "keeping the database from other users", e))?;
        let create = || -> rusqlite::Result<()> {
            db.pragma_update(None, "page_size", options.page_bytes)?;
            db.execute_batch("BEGIN EXCLUSIVE")?;
            SCHEMA.iter().try_for_each(|statement| db.execute_batch(statement))?;
            let mut insert = db.prepare("INSERT INTO meta(no, value) VALUES (?1, ?2)")?;
            insert.execute((META_ORIGIN, &identity.origin))?;
            insert.execute((META_KEY, &identity.verifier_key))?;
            insert.execute((META_SQLITE, rusqlite::version_number().to_string()))?;
            db.pragma_update(None, "application_id", APPLICATION_ID)?;
            db.pragma_update(None, "user_version", FORMAT_VERSION)?;
            db.execute_batch("COMMIT")
        };
        create().map_err(failed("creating the schema"))?;
        portcullis_files::sync_folder(path)?;
        let mut store = Sqlite { db, lock: Some(lock.0), still: false, next_blob: 0, stored: HashSet::new() };
        store.prepare_writing()?;
        Ok(store)
    }

    /// Opens a ledger for reading, while another process may write.
    ///
    /// # Errors
    /// As for [`Sqlite::open`].
    pub fn open_reader(path: &Path) -> Result<Sqlite, StoreError> {
        let open = || {
            let db = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            schema::check_format(&db, &path.display().to_string())?;
            Ok(Sqlite { db, lock: None, still: false, next_blob: 0, stored: HashSet::new() })
        };
        open().or_else(|error| match error {
            // In a folder that the reader may not write, SQLite cannot keep its files beside a database in WAL mode. Where
            // no writer keeps them either, none is needed.
            StoreError::Database { .. } if !PathBuf::from(format!("{}-wal", path.display())).exists() => {
                Sqlite::open_still(path).map_err(|_| error)
            }
            error => Err(error),
        })
    }

    /// Opens a ledger that nobody has open and that was closed cleanly, writing nothing at all, not even the files that
    /// SQLite keeps beside a database in WAL mode.
    ///
    /// # Errors
    /// As for [`Sqlite::open`].
    pub fn open_still(path: &Path) -> Result<Sqlite, StoreError> {
        let text = path.to_str().ok_or_else(|| StoreError::file(path, "the path is not UTF-8"))?;
        let escaped = text.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
        let uri = PathBuf::from(format!("file:{escaped}?immutable=1"));
        let db = connect(&uri, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI)?;
        schema::check_format(&db, &path.display().to_string())?;
        Ok(Sqlite { db, lock: None, still: true, next_blob: 0, stored: HashSet::new() })
    }

    /// Whether a file holds nothing, so that a ledger may be created in it.
    ///
    /// # Errors
    /// What SQLite says of a file that is no database.
    pub fn is_new(path: &Path) -> Result<bool, StoreError> {
        match std::fs::metadata(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(true),
            Err(e) => return Err(StoreError::io(path, "looking at the database", e)),
            Ok(found) if found.len() == 0 => return Ok(true),
            Ok(_) => {}
        }
        schema::is_empty(&connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?)
    }

    /// The version of SQLite that wrote the file last, as the ledger notes it.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where it is no number.
    pub fn written_by(&mut self) -> Result<i64, StoreError> {
        let version = self.meta(META_SQLITE)?;
        let number = version.parse().ok().filter(|number: &i64| number.to_string() == version);
        number.ok_or_else(|| StoreError::damaged(format!("{version:?} is no version of SQLite")))
    }

    fn prepare_writing(&mut self) -> Result<(), StoreError> {
        let set = || -> rusqlite::Result<()> {
            self.db.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
            self.db.pragma_update(None, "synchronous", "FULL")?;
            self.db.pragma_update_and_check(None, "wal_autocheckpoint", FORCED_CHECKPOINT_FRAMES, |row| {
                row.get::<_, i64>(0)
            })?;
            self.db.pragma_update(None, "cache_size", -16_000)
        };
        set().map_err(failed("preparing the database"))?;
        for (name, expected) in [("synchronous", 2), ("secure_delete", 1)] {
            let found = schema::pragma(&self.db, name)?;
            if found != expected {
                return Err(StoreError::damaged(format!("SQLite has {name} = {found} instead of {expected}")));
            }
        }
        self.note_version()?;
        let last: Option<i64> = self
            .db
            .query_row("SELECT max(no) FROM blobs", [], |row| row.get(0))
            .map_err(failed("reading the last blob"))?;
        self.next_blob = last.map_or(0, |last| last.saturating_add(1));
        Ok(())
    }

    /// Keeps the version of SQLite that the file's header names, so that the header can be checked.
    fn note_version(&mut self) -> Result<(), StoreError> {
        let version = rusqlite::version_number().to_string();
        let found = self.meta(META_SQLITE)?;
        if found == version {
            return Ok(());
        }
        let note = |db: &mut Connection| -> rusqlite::Result<()> {
            let all = db.transaction()?;
            all.execute("UPDATE meta SET value = ?2 WHERE no = ?1", (META_SQLITE, &version))?;
            // Writes the first page, and with it the version in the header.
            all.pragma_update(None, "user_version", FORMAT_VERSION)?;
            all.commit()
        };
        note(&mut self.db).map_err(failed("noting SQLite's version"))
    }
}

/// Opens connections for reading a file, and moves its WAL into the database in time.
pub struct SqliteReaders {
    path: PathBuf,
    tending: Mutex<Option<Sqlite>>,
}

impl SqliteReaders {
    /// For the file of that path, which has a writer in this process.
    #[must_use]
    pub fn new(path: PathBuf) -> SqliteReaders {
        SqliteReaders { path, tending: Mutex::new(None) }
    }
}

impl SqliteReaders {
    /// With a connection that is kept for moving the WAL.
    fn tending(&self, tend: impl FnOnce(&Sqlite) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let mut tending = self.tending.lock().map_err(|_| StoreError::damaged("a thread panicked while tending"))?;
        let connection = match tending.as_mut() {
            Some(connection) => connection,
            None => {
                let db = connect(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
                db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed("opening"))?;
                tending.insert(Sqlite { db, lock: None, still: false, next_blob: 0, stored: HashSet::new() })
            }
        };
        tend(connection)
    }
}

impl OpenReader for SqliteReaders {
    fn open_reader(&self) -> Result<Box<dyn ReadStore>, StoreError> {
        Ok(Box::new(Sqlite::open_reader(&self.path)?))
    }

    fn tend(&self) -> Result<(), StoreError> {
        let wal = PathBuf::from(format!("{}-wal", self.path.display()));
        let bytes = match std::fs::metadata(&wal) {
            Ok(found) => found.len(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => 0,
            Err(e) => return Err(StoreError::io(&wal, "looking at the WAL", e)),
        };
        if bytes < TENDED_WAL_BYTES {
            return Ok(());
        }
        self.tending(|connection| {
            // The length says only how many there may be: the file is written anew from its beginning.
            let (_, frames, moved) = connection.move_wal("NOOP")?;
            if frames.saturating_sub(moved) < TENDED_FRAMES {
                return Ok(());
            }
            // Moves what no reader holds up, and leaves the rest for the next time.
            connection.move_wal("PASSIVE").map(|_| ())
        })
    }

    /// Then the writer has little left to move.
    fn prepare_scrub(&self) -> Result<(), StoreError> {
        self.tending(|connection| connection.move_wal("PASSIVE").map(|_| ()))
    }
}

/// `FILE.suffix`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE;
    let db = Connection::open_with_flags(path, flags).map_err(failed("opening"))?;
    db.busy_timeout(BUSY_TIMEOUT).map_err(failed("opening"))?;
    db.set_prepared_statement_cache_capacity(64);
    let set = || -> rusqlite::Result<()> {
        db.pragma_update(None, "trusted_schema", false)?;
        db.pragma_update(None, "temp_store", "MEMORY")?;
        // What is deleted or moved is overwritten, from the first page of the schema on.
        db.pragma_update_and_check(None, "secure_delete", 1, |row| row.get::<_, i64>(0))?;
        db.pragma_update(None, "cell_size_check", true)
    };
    set().map_err(failed("opening"))?;
    Ok(db)
}

fn failed(phase: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |error| StoreError::Database { phase, message: error.to_string() }
}
