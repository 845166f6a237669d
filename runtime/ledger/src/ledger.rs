//! The open ledger.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, TrySendError, sync_channel};
use std::time::Duration;

use crate::reader::Reader;
use crate::rotate::KEY_ROTATED;
use crate::sequencer::{Appended, Job, Scrub, Work, used};
use crate::store::{Entry, Idempotency};
use crate::store_error::StoreError;
use crate::threads::{Threads, closed};
use crate::{MAX_EVENT_BYTES, Sha256, SigningKey, VerifierKey, keyed_digest};

/// Largest payload or blob, in bytes.
pub const MAX_BLOB_BYTES: usize = 256 << 20;

/// A ledger that is open for appending. Dropping it waits for what is queued, writes the last checkpoint and closes.
pub struct Ledger {
    pub(crate) threads: Threads,
    pub(crate) max_queue: usize,
    pub(crate) reader: Option<Reader>,
    pub(crate) verifier: VerifierKey,
    pub(crate) secret: Sha256,
    pub(crate) key_file: PathBuf,
}

impl Ledger {
    /// Whether this replica is the one that writes now. True for a ledger that is no replica.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.threads.replica().is_none_or(|replica| replica.candidate.writes())
    }

    pub(crate) fn is_replica(&self) -> bool {
        self.threads.replica().is_some()
    }

    /// Why this replica could not take over just now, if it had to.
    #[must_use]
    pub fn takeover_problem(&self) -> Option<String> {
        self.threads.replica().and_then(|replica| replica.candidate.problem())
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
        self.threads.shared.check()?;
        let (answer, answered) = sync_channel(1);
        let Some(queue) = &self.threads.queue else {
            return Err(closed());
        };
        match queue.try_send(Work::Append(Box::new(Job { entry, answer, next_key }))) {
            Ok(()) => Ok(answered),
            Err(TrySendError::Full(_)) => Err(StoreError::Overloaded { queued: self.max_queue }),
            Err(TrySendError::Disconnected(_)) => self.threads.shared.check().and(Err(closed())),
        }
    }

    pub(crate) fn received(&self, answered: &Receiver<Result<Appended, StoreError>>) -> Result<Appended, StoreError> {
        match answered.recv() {
            Ok(answer) => answer,
            // The sequencer's thread is gone, which only a panic explains.
            Err(_) => {
                self.threads.shared.stop(&closed());
                self.threads.shared.check().and(Err(closed()))
            }
        }
    }

    /// Whether the ledger still takes entries.
    ///
    /// # Errors
    /// [`StoreError::Stopped`] with the first cause.
    pub fn check(&self) -> Result<(), StoreError> {
        self.threads.shared.check()
    }

    /// Waits for a signed checkpoint of at least that many events: of `index + 1` for one that proves the event `index`.
    ///
    /// # Errors
    /// [`StoreError::Stopped`], or [`StoreError::Refused`] where there is none within `wait`.
    pub fn checkpoint_of(&self, size: u64, wait: Duration) -> Result<String, StoreError> {
        if self.threads.replica().is_some() {
            return self.stored_checkpoint(size);
        }
        let newest = self.threads.shared.wait(wait, |newest| newest.size >= size);
        if newest.size >= size {
            return Ok(newest.note);
        }
        self.threads.shared.check()?;
        Err(StoreError::refused(format!("the newest checkpoint is of {} events, not {size}", newest.size)))
    }

    /// For a replica, which signs nothing: what is stored with the events, where its key signed it.
    fn stored_checkpoint(&self, size: u64) -> Result<String, StoreError> {
        let (note, chain) = self.reader()?.signed()?;
        let Some(note) = note else {
            return Err(StoreError::refused(format!("there is no checkpoint yet, and none of {size} events")));
        };
        let signed = chain.open(&note).map_err(|error| StoreError::damaged(error.to_string()))?;
        if signed.size() >= size {
            return Ok(note);
        }
        Err(StoreError::refused(format!("the newest checkpoint is of {} events, not {size}", signed.size())))
    }

    /// Whether files beside the database hold nothing any more of what was erased until now. Waits for that, for at most
    /// `wait` and not after a reader was found to hold them open: then they are emptied once it is gone, or when the ledger
    /// is closed. A replica cannot say, and answers false.
    #[must_use]
    pub fn scrubbed(&self, wait: Duration) -> bool {
        let erased = self.threads.shared.newest().scrub.erased;
        let tried = |scrub: &Scrub| scrub.done.max(scrub.hindered) >= erased;
        !self.is_replica() && self.threads.shared.wait(wait, |newest| tried(&newest.scrub)).scrub.done >= erased
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
        // The readers are closed before the writer, so that it is the last one and leaves one file.
        let store = self.threads.end();
        drop(self.reader.take());
        drop(store);
    }
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
