//! The open ledger.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::outside::{self, KeyFile};
use crate::reader::{DEFAULT_READERS, Reader};
use crate::replica::{Candidate, Replica, Submitter};
use crate::rotate::{self, KEY_ROTATED};
use crate::sequencer::{Appended, Job, Sequencer, Shared, Work, sign_edge, used};
use crate::store::postgres::submitted::Seal;
use crate::store::postgres::{Postgres, PostgresOptions, PostgresReaders};
use crate::store::sqlite::{Sqlite, SqliteOptions, SqliteReaders, WriterLock, beside};
use crate::store::{Entry, Idempotency, Identity, Listen, OpenReader, ReadStore, Store};
use crate::store_error::StoreError;
use crate::{
    Checkpoint, Edge, KeyChain, MAX_EVENT_BYTES, Sha256, SigningKey, VerifierKey, consistency_proof, keyed_digest,
    leaf_hash, node_position, verify_consistency,
};

/// Largest payload or blob, in bytes.
pub const MAX_BLOB_BYTES: usize = 256 << 20;

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

/// A ledger that is open for appending. Dropping it waits for what is queued, writes the last checkpoint and closes.
pub struct Ledger {
    queue: Option<SyncSender<Work>>,
    max_queue: usize,
    shared: Arc<Shared>,
    reader: Option<Reader>,
    sequencer: Option<JoinHandle<Box<dyn Store>>>,
    /// Tells the sequencer of what others submitted, until it is told to end.
    collector: Option<(JoinHandle<()>, Arc<AtomicBool>)>,
    replica: Option<Replica>,
    publisher: Option<JoinHandle<()>>,
    verifier: VerifierKey,
    secret: Sha256,
    pub(crate) key_file: PathBuf,
}

impl Ledger {
    /// Opens the ledger in a SQLite file, or makes one where there is none. O(log n).
    ///
    /// # Errors
    /// [`StoreError`]: another writer, another format, another key, a database that is behind a signed checkpoint or does
    /// not continue it, a copy that is missing.
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
        let chain = reader.keys()?;
        let file = rotate::key_of(&chain, key_file)?;
        let note = reader.with(|store| store.checkpoint())?.unwrap_or_default();
        let shared = Arc::new(Shared::new(reader.size()?, note));
        let (queue, jobs) = sync_channel(options.max_queue.max(1));
        let submitter =
            Submitter::new(place.clone(), Seal::new(&file.secret), options.submit_wait, options.max_batch.max(1));
        let submitter = spawn("ledger-submitter", move || submitter.run(&jobs))?;
        Ok(Ledger {
            queue: Some(queue),
            max_queue: options.max_queue.max(1),
            shared,
            reader: Some(reader),
            sequencer: None,
            collector: None,
            replica: Some(Replica { submitter: Some(submitter), candidate }),
            publisher: None,
            verifier: file.key.verifier().clone(),
            secret: file.secret,
            key_file: key_file.to_owned(),
        })
    }

    /// Whether this replica is the one that writes now. True for a ledger that is no replica.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.replica.as_ref().is_none_or(|replica| replica.candidate.writes())
    }

    pub(crate) fn is_replica(&self) -> bool {
        self.replica.is_some()
    }

    /// Why this replica could not take over just now, if it had to.
    #[must_use]
    pub fn takeover_problem(&self) -> Option<String> {
        self.replica.as_ref().and_then(|replica| replica.candidate.problem())
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
        if let Some(note) = store.checkpoint()? {
            check_prefix(store.as_mut(), &edge, &note, &chain, key_file)?;
        }
        for copy in &copies {
            match outside::read_copy(copy)? {
                Some(note) => check_prefix(store.as_mut(), &edge, &note, &chain, copy)?,
                None if edge.size() == 0 || options.add_copies => {}
                None => return Err(StoreError::CopyMissing { path: copy.clone(), size: edge.size() }),
            }
        }
        let note = sign_edge(&edge, &key)?;
        copies.iter().try_for_each(|copy| outside::write_text(copy, &note))?;

        let size = edge.size();
        let shared = Arc::new(Shared::new(size, note));
        let (queue, jobs) = sync_channel(options.max_queue.max(1));
        let sequencer =
            Sequencer::new(store, edge, key, Arc::clone(&shared), Seal::new(&secret), options.max_batch.max(1));
        let sequencer = spawn("ledger-sequencer", move || sequencer.run(&jobs))?;
        let publisher = {
            let (shared, readers) = (Arc::clone(&shared), Arc::clone(&readers));
            spawn("ledger-publisher", move || outside::publish(&shared, &copies, &readers, size))?
        };
        let collector = match readers.listen()? {
            Some(first) => {
                let (end, looks, readers) = (Arc::new(AtomicBool::new(false)), queue.clone(), Arc::clone(&readers));
                let ends = Arc::clone(&end);
                Some((spawn("ledger-collector", move || collect(first, &readers, &looks, &ends))?, end))
            }
            None => None,
        };
        Ok(Ledger {
            queue: Some(queue),
            max_queue: options.max_queue.max(1),
            shared,
            reader: Some(Reader::new(readers, options.max_readers)),
            sequencer: Some(sequencer),
            collector,
            replica: None,
            publisher: Some(publisher),
            verifier,
            secret,
            key_file: key_file.to_owned(),
        })
    }

    /// Appends an entry and waits until it is durable. Many threads may do so at once; what they bring is committed
    /// together.
    ///
    /// # Errors
    /// | error | is the entry durable? |
    /// |---|---|
    /// | [`StoreError::Overloaded`]: the queue is full | no; it may be brought again |
    /// | [`StoreError::Refused`]: it can never be appended | no |
    /// | [`StoreError::Stopped`]: a write or sync failed, now or before | unknown; nothing is taken any more |
    /// | [`StoreError::NotTaken`], of a replica: nobody wrote it in time | no; it may be brought again |
    /// | [`StoreError::Unknown`], of a replica: its answer is lost | unknown |
    /// | [`StoreError::Damaged`], of a replica: it was answered, and another event is in its place | unknown; not where it should be |
    pub fn append(&self, entry: Entry) -> Result<Appended, StoreError> {
        self.received(&self.send(entry)?)
    }

    /// What [`Ledger::append`] would answer an entry with this key, where the key was used before: nothing needs to be
    /// decided then. Where it was not, it may be by the time that the entry is appended.
    ///
    /// # Errors
    /// [`StoreError`]: the store could not be read.
    pub fn used(&self, idempotency: &Idempotency) -> Result<Option<Appended>, StoreError> {
        self.reader()?.with(|store| used(store, idempotency))
    }

    /// Appends entries in their order, other entries possibly between them, and waits until all are durable.
    ///
    /// There is an answer for each, as from [`Ledger::append`].
    pub(crate) fn append_all(&self, entries: Vec<Entry>) -> Vec<Result<Appended, StoreError>> {
        let waiting: Vec<_> = entries.into_iter().map(|entry| self.send(entry)).collect();
        waiting.into_iter().map(|sent| sent.and_then(|answered| self.received(&answered))).collect()
    }

    fn send(&self, entry: Entry) -> Result<Receiver<Result<Appended, StoreError>>, StoreError> {
        if entry.event.kind == KEY_ROTATED {
            return Err(StoreError::refused("a key is rotated by Ledger::rotate_key"));
        }
        self.send_with(entry, None)
    }

    pub(crate) fn send_with(
        &self,
        entry: Entry,
        next_key: Option<SigningKey>,
    ) -> Result<Receiver<Result<Appended, StoreError>>, StoreError> {
        check_bounds(&entry)?;
        self.shared.check()?;
        let (answer, answered) = sync_channel(1);
        let Some(queue) = &self.queue else {
            return Err(closed());
        };
        match queue.try_send(Work::Append(Box::new(Job { entry, answer, next_key }))) {
            Ok(()) => Ok(answered),
            Err(TrySendError::Full(_)) => Err(StoreError::Overloaded { queued: self.max_queue }),
            Err(TrySendError::Disconnected(_)) => self.shared.check().and(Err(closed())),
        }
    }

    pub(crate) fn received(&self, answered: &Receiver<Result<Appended, StoreError>>) -> Result<Appended, StoreError> {
        match answered.recv() {
            Ok(answer) => answer,
            // The sequencer's thread is gone, which only a panic explains.
            Err(_) => {
                self.shared.stop(&closed());
                self.shared.check().and(Err(closed()))
            }
        }
    }

    /// Whether the ledger still takes entries.
    ///
    /// # Errors
    /// [`StoreError::Stopped`] with the first cause.
    pub fn check(&self) -> Result<(), StoreError> {
        self.shared.check()
    }

    /// The newest signed checkpoint, a signed note. It may not yet speak of an event that was just committed.
    #[must_use]
    pub fn checkpoint(&self) -> String {
        self.shared.newest().note
    }

    /// Waits for a signed checkpoint of at least that many events: of `index + 1` for one that proves the event `index`.
    ///
    /// # Errors
    /// [`StoreError::Stopped`], or [`StoreError::Refused`] where there is none within `wait`.
    pub fn checkpoint_of(&self, size: u64, wait: Duration) -> Result<String, StoreError> {
        if self.replica.is_some() {
            return self.stored_checkpoint(size);
        }
        let newest = self.shared.wait(wait, |newest| newest.size >= size);
        if newest.size >= size {
            return Ok(newest.note);
        }
        self.shared.check()?;
        Err(StoreError::refused(format!("the newest checkpoint is of {} events, not {size}", newest.size)))
    }

    /// For a replica, which signs nothing: what is stored with the events, where its key signed it.
    fn stored_checkpoint(&self, size: u64) -> Result<String, StoreError> {
        let (note, chain) = self.reader()?.with(|store| Ok((store.checkpoint()?, KeyChain::of(store)?)))?;
        let note = note.ok_or_else(|| StoreError::damaged("there is no checkpoint"))?;
        let signed = chain.open(&note).map_err(|error| StoreError::damaged(error.to_string()))?;
        if signed.size() >= size {
            return Ok(note);
        }
        Err(StoreError::refused(format!("the newest checkpoint is of {} events, not {size}", signed.size())))
    }

    /// The key that verifies the ledger's checkpoints.
    #[must_use]
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.verifier
    }

    pub(crate) fn secret(&self) -> Sha256 {
        self.secret
    }

    /// A key for one purpose, derived from the first signing key: the same at every opening, whether the key was rotated or not, and unknown without it.
    #[must_use]
    pub fn derived_key(&self, purpose: &str) -> Sha256 {
        keyed_digest(self.secret.as_bytes(), purpose.as_bytes())
    }

    /// The ledger's origin: the name in its checkpoints.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.verifier.name()
    }

    /// Reads what is committed.
    ///
    /// # Errors
    /// [`StoreError::Stopped`] while the ledger is being closed; never otherwise.
    pub fn reader(&self) -> Result<&Reader, StoreError> {
        self.reader.as_ref().ok_or_else(closed)
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        if let Some((thread, end)) = self.collector.take() {
            end.store(true, Ordering::Relaxed);
            let _ = thread.join();
        }
        // What is queued is still committed; then the copies; then the readers, so that the writer closes last and
        // leaves one file.
        drop(self.queue.take());
        drop(self.replica.take());
        let store = self.sequencer.take().and_then(|thread| thread.join().ok());
        self.shared.update(|newest| newest.closing = true);
        if let Some(thread) = self.publisher.take() {
            let _ = thread.join();
        }
        drop(self.reader.take());
        if let Some(mut store) = store {
            if self.shared.check().is_err() {
                store.abandon();
            }
            drop(store);
        }
    }
}

/// The tree's right edge, from the nodes that are stored.
pub(crate) fn edge_of(store: &mut dyn ReadStore) -> Result<Edge, StoreError> {
    let size = store.size()?;
    let mut nodes = Vec::new();
    let mut start = 0u64;
    for level in (0..64u8).rev().filter(|level| size >> level & 1 == 1) {
        nodes.push(stored_node(store, level, start >> level)?);
        start += 1 << level;
    }
    Edge::from_parts(size, nodes).map_err(|e| StoreError::damaged(e.to_string()))
}

/// A complete node: a leaf's hash from the leaf, any other as stored.
pub(crate) fn stored_node(store: &mut dyn ReadStore, level: u8, index: u64) -> Result<crate::Sha256, StoreError> {
    let missing = || StoreError::damaged(format!("node {index} of level {level} is missing"));
    if level == 0 {
        return store.leaf(index)?.map(|leaf| leaf_hash(&leaf)).ok_or_else(missing);
    }
    let position = node_position(level, index).ok_or_else(missing)?;
    store.node(position)?.ok_or_else(missing)
}

/// Refuses a store that is behind a signed checkpoint or does not continue it.
pub(crate) fn check_prefix(
    store: &mut dyn ReadStore,
    edge: &Edge,
    note: &str,
    chain: &KeyChain,
    path: &Path,
) -> Result<(), StoreError> {
    let signed = chain.open(note).map_err(|e| StoreError::file(path, e.to_string()))?;
    let (old, new) = (signed.size(), edge.size());
    if old > new {
        return Err(StoreError::Behind { path: path.to_owned(), copy: old, size: new });
    }
    let differs = |problem: String| StoreError::NotPrefix { path: path.to_owned(), size: old, problem };
    let root = prefix_root(store, old)?;
    if root != signed.root() {
        return Err(differs(format!("its root is {}, the database's {}", signed.root().short(), root.short())));
    }
    if old > 0 {
        let proof = consistency_proof(old, new, |level, index| stored_node(store, level, index))
            .map_err(|e| differs(e.to_string()))?;
        verify_consistency(old, &root, new, &edge.root(), &proof).map_err(|e| differs(e.to_string()))?;
    }
    Ok(())
}

/// The root of the first `size` leaves, from the nodes that are stored.
pub(crate) fn prefix_root(store: &mut dyn ReadStore, size: u64) -> Result<crate::Sha256, StoreError> {
    let mut nodes = Vec::new();
    let mut start = 0u64;
    for level in (0..64u8).rev().filter(|level| size >> level & 1 == 1) {
        nodes.push(stored_node(store, level, start >> level)?);
        start += 1 << level;
    }
    Edge::from_parts(size, nodes).map(|edge| edge.root()).map_err(|e| StoreError::damaged(e.to_string()))
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

pub(crate) fn check_bounds(entry: &Entry) -> Result<(), StoreError> {
    let leaf = entry.event.leaf.len();
    if leaf == 0 || leaf > MAX_EVENT_BYTES {
        return Err(StoreError::refused(format!("the event has {leaf} bytes, at most {MAX_EVENT_BYTES} are taken")));
    }
    if entry.event.columns.is_some() && (entry.request.is_none() || entry.decision.is_none()) {
        return Err(StoreError::refused("a decision without its request or its JSON"));
    }
    if entry.idempotency.is_some() && entry.request.is_none() {
        return Err(StoreError::refused("an idempotency key without a request"));
    }
    let payloads = entry.request.iter().chain(&entry.decision).map(|payload| payload.bytes.len());
    let largest = payloads.chain(entry.blobs.iter().map(|blob| blob.bytes().len())).max().unwrap_or(0);
    if largest > MAX_BLOB_BYTES {
        return Err(StoreError::refused(format!("a blob has {largest} bytes, at most {MAX_BLOB_BYTES} are taken")));
    }
    Ok(())
}

/// Tells the sequencer when something was submitted, and once in a while in case that was missed.
fn collect(first: Box<dyn Listen>, readers: &Arc<dyn OpenReader>, looks: &SyncSender<Work>, end: &AtomicBool) {
    let mut listener = Some(first);
    while !end.load(Ordering::Relaxed) {
        // What waits since before the writer began, or the connection was lost, is looked for at once.
        if let Err(TrySendError::Disconnected(_)) = looks.try_send(Work::Look) {
            return;
        }
        let heard = match &mut listener {
            Some(open) => open.wait(LOOK_INTERVAL),
            None => {
                std::thread::sleep(LOOK_INTERVAL);
                listener = readers.listen().ok().flatten();
                Ok(false)
            }
        };
        if heard.is_err() {
            listener = None;
        }
    }
}

/// Most time between two looks for submissions.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

fn closed() -> StoreError {
    StoreError::Stopped { cause: "the sequencer ended".to_owned() }
}

pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, StoreError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(|e| StoreError::io(Path::new(name), "starting a thread", e))
}
