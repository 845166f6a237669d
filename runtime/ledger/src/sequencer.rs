//! The one writer of a ledger: a thread that takes whatever is queued, commits it in one transaction, and answers.
//!
//! While a commit waits for the disk the next batch queues up, so the batches are as large as the load asks for, and
//! there is no timer. An answer leaves only after the commit returned. After the first failed write or sync nothing is
//! written again: the ledger is stopped until it is opened anew, which looks at what is really there.

use std::collections::HashSet;
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::ledger::check_bounds;
use crate::rotate::KEY_ROTATED;
use crate::store::postgres::submitted::{ANSWER, Seal, decode_entry, encode_answer};
use crate::store::{Entry, HistoryAnswer, Idempotency, ReadStore, Role, Store, StoredPayload};
use crate::store_error::StoreError;
use crate::{Checkpoint, Edge, Sha256, SigningKey, leaf_hash, node_position};

/// What became of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is in the ledger, and durable.
    Committed(Commit),
    /// Its idempotency key was used before for the same request: nothing was appended, and this was the answer then.
    Repeated {
        /// The index of the event then.
        index: u64,
        /// The decision's JSON then, unless it was stored without one.
        decision: Option<StoredPayload>,
    },
    /// Its idempotency key was used before for another request: nothing was appended.
    Conflict {
        /// The index of the event then.
        index: u64,
    },
    /// What the entry rests on is no longer so: nothing was appended.
    HistoryChanged {
        /// Which of the entry's questions has another answer, from 0.
        question: usize,
        /// The answer now.
        now: HistoryAnswer,
    },
}

/// Where a committed event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The event's index: the number of its leaf, from 0.
    pub index: u64,
    /// The hash of its leaf.
    pub leaf_hash: Sha256,
    /// Whether files beside the database may still hold what this entry erased: they are emptied after the answer, as
    /// [`Ledger::scrubbed`](crate::Ledger::scrubbed) tells. A replica is not told.
    pub scrub_pending: bool,
}

/// An entry on its way, and who waits for it.
pub(crate) struct Job {
    pub(crate) entry: Entry,
    pub(crate) answer: SyncSender<Result<Appended, StoreError>>,
    /// The key that signs from this entry on, together with the one before.
    pub(crate) next_key: Option<SigningKey>,
}

/// What a sequencer is asked to do.
pub(crate) enum Work {
    /// Append an entry.
    Append(Box<Job>),
    /// Look for what others submitted.
    Look,
}

/// What the sequencer, the publisher and the callers share.
pub(crate) struct Shared {
    stopped: OnceLock<String>,
    newest: Mutex<Newest>,
    changed: Condvar,
}

/// The newest signed checkpoint, and how far what was erased is gone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Newest {
    pub(crate) size: u64,
    pub(crate) note: String,
    /// No caller is left.
    pub(crate) ending: bool,
    /// The writer is gone too.
    pub(crate) closing: bool,
    pub(crate) scrub: Scrub,
}

/// Batches that erased something, counted: how many there were, and how many of them a step was made for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scrub {
    pub(crate) erased: u64,
    /// Everything that can be done beside the writer was done.
    pub(crate) prepared: u64,
    /// The writer looked whether anything is left, and found nothing.
    pub(crate) done: u64,
    /// The writer looked, and a reader was in the way.
    pub(crate) hindered: u64,
}

impl Shared {
    pub(crate) fn new(size: u64, note: String) -> Shared {
        let newest = Mutex::new(Newest { size, note, ..Newest::default() });
        Shared { stopped: OnceLock::new(), newest, changed: Condvar::new() }
    }

    /// Stops the ledger for good. The first cause stays.
    pub(crate) fn stop(&self, cause: &StoreError) {
        {
            // Not between another thread's look and its wait, which would sleep through it.
            let _newest = self.lock();
            let _ = self.stopped.set(cause.to_string());
        }
        self.changed.notify_all();
    }

    pub(crate) fn check(&self) -> Result<(), StoreError> {
        match self.stopped.get() {
            None => Ok(()),
            Some(cause) => Err(StoreError::Stopped { cause: cause.clone() }),
        }
    }

    pub(crate) fn newest(&self) -> Newest {
        self.lock().clone()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut Newest)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until `ready`, at most for `time`, or until the ledger stops.
    pub(crate) fn wait(&self, time: Duration, ready: impl Fn(&Newest) -> bool) -> Newest {
        let blocked = |newest: &mut Newest| self.stopped.get().is_none() && !ready(newest);
        let guard = self.lock();
        let guard = match self.changed.wait_timeout_while(guard, time, blocked) {
            Ok((guard, _)) => guard,
            Err(poisoned) => poisoned.into_inner().0,
        };
        guard.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Newest> {
        // Nothing that can panic runs while it is held.
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Sequencer {
    store: Box<dyn Store>,
    edge: Edge,
    key: SigningKey,
    shared: Arc<Shared>,
    seal: Seal,
    max_batch: usize,
    /// Digests whose bytes are known to be stored.
    known: HashSet<Sha256>,
}

/// Most digests that are remembered as stored.
const MAX_KNOWN: usize = 65_536;

impl Sequencer {
    pub(crate) fn new(
        store: Box<dyn Store>,
        edge: Edge,
        key: SigningKey,
        shared: Arc<Shared>,
        seal: Seal,
        max_batch: usize,
    ) -> Sequencer {
        Sequencer { store, edge, key, shared, seal, max_batch, known: HashSet::new() }
    }

    /// Runs until every sender is gone and the queue is empty. The store comes back so that it is closed last.
    pub(crate) fn run(mut self, queue: &Receiver<Work>) -> Box<dyn Store> {
        while let Ok(first) = queue.recv() {
            let mut batch = Vec::new();
            if let Work::Append(job) = first {
                batch.push(*job);
            }
            // A batch ends with a hand-over: what is signed by both keys ends with its event.
            while batch.len() < self.max_batch
                && batch.last().is_none_or(|last| last.next_key.is_none())
                && let Ok(work) = queue.try_recv()
            {
                if let Work::Append(job) = work {
                    batch.push(*job);
                }
            }
            self.batch(batch);
        }
        self.store
    }

    fn batch(&mut self, batch: Vec<Job>) {
        let result = self.shared.check().and_then(|()| self.commit(&batch));
        match result {
            Ok(answers) => {
                for (job, answer) in batch.iter().zip(answers) {
                    // Who gave up waiting gets no answer; the entry is in the ledger all the same.
                    let _ = job.answer.send(answer);
                }
                if let Err(error) = self.scrub() {
                    self.stop(&error);
                }
            }
            Err(error) => {
                self.stop(&error);
                for job in &batch {
                    let _ = job.answer.send(self.shared.check().and(Err(StoreError::damaged("stopped, but not said"))));
                }
            }
        }
    }

    fn commit(&mut self, batch: &[Job]) -> Result<Vec<Result<Appended, StoreError>>, StoreError> {
        self.store.begin()?;
        let mut edge = self.edge.clone();
        let mut erased = false;
        let mut answers = Vec::with_capacity(batch.len());
        for job in batch {
            let answer = place(self.store.as_mut(), &mut edge, &mut self.known, &job.entry)?;
            erased |= matches!(answer, Ok(Appended::Committed(_))) && job.entry.erases.is_some();
            answers.push(answer);
        }
        let submitted = match batch.last() {
            // What both keys sign ends with the event of the rotation.
            Some(Job { next_key: Some(_), .. }) => Vec::new(),
            _ => self.store.take_submitted(self.max_batch)?,
        };
        let mut told = Vec::with_capacity(submitted.len());
        for submission in submitted {
            let id = submission.id;
            let entry = self.seal.open_entry(&submission).and_then(decode_entry);
            let entry = entry.and_then(|entry| check_entry(&entry).map(|()| entry));
            let answer = match entry {
                Ok(entry) => {
                    let answer = place(self.store.as_mut(), &mut edge, &mut self.known, &entry)?;
                    erased |= matches!(answer, Ok(Appended::Committed(_))) && entry.erases.is_some();
                    answer
                }
                Err(problem) => Err(StoreError::refused(problem)),
            };
            told.push((id, self.seal.put(ANSWER, &id, &encode_answer(&answer)?)));
        }
        if edge.size() == self.edge.size() && told.is_empty() {
            self.store.rollback()?;
            return Ok(answers);
        }
        self.store.answer_submitted(&told)?;
        if edge.size() == self.edge.size() {
            self.store.commit()?;
            return Ok(answers);
        }
        // Signed with the batch, so that whoever reads an event can prove it; given away only once it is durable. Of a
        // batch that is lost nothing signed was ever seen.
        let (size, mut note) = (edge.size(), sign_edge(&edge, &self.key)?);
        let next_key = match (batch.last(), answers.last()) {
            (Some(Job { next_key: Some(key), .. }), Some(Ok(Appended::Committed(_)))) => Some(key.clone()),
            _ => None,
        };
        if let Some(key) = &next_key {
            let signed = sign_edge(&edge, key)?;
            note = cosigned(&note, &signed).ok_or_else(|| StoreError::damaged("a note without signatures"))?;
            self.store.insert_handover(size, &note)?;
            self.store.set_checkpoint(size, &signed)?;
        } else {
            self.store.set_checkpoint(size, &note)?;
        }
        self.store.commit()?;
        self.edge = edge;
        if let Some(key) = next_key {
            self.key = key;
        }
        self.shared.update(|newest| {
            (newest.size, newest.note) = (size, note);
            newest.scrub.erased += u64::from(erased);
        });
        Ok(answers)
    }

    /// Ends what was prepared beside this thread, where it was.
    fn scrub(&mut self) -> Result<(), StoreError> {
        let scrub = self.shared.newest().scrub;
        if scrub.prepared <= scrub.done.max(scrub.hindered) {
            return Ok(());
        }
        let done = self.store.scrub()?;
        self.shared.update(|newest| {
            let step = if done { &mut newest.scrub.done } else { &mut newest.scrub.hindered };
            *step = scrub.prepared;
        });
        Ok(())
    }

    fn stop(&mut self, error: &StoreError) {
        self.shared.stop(error);
        self.store.abandon();
    }
}

/// What a ledger refuses of its own callers it refuses of others.
fn check_entry(entry: &Entry) -> Result<(), String> {
    if entry.event.kind == KEY_ROTATED {
        return Err("a key is rotated by whoever writes".to_owned());
    }
    check_bounds(entry).map_err(|error| error.to_string())
}

/// A note with the signatures of another one of the same text.
fn cosigned(note: &str, other: &str) -> Option<String> {
    let (text, _) = note.rsplit_once("\n\n")?;
    let (same, signatures) = other.rsplit_once("\n\n")?;
    (text == same).then(|| format!("{note}{signatures}"))
}

/// Signs the state that an edge stands for.
pub(crate) fn sign_edge(edge: &Edge, key: &SigningKey) -> Result<String, StoreError> {
    Checkpoint::new(key.verifier().name(), edge.size(), edge.root())
        .and_then(|checkpoint| checkpoint.sign(key))
        .map_err(|e| StoreError::damaged(format!("the checkpoint cannot be signed: {e}")))
}

/// The answer where an idempotency key was used before.
pub(crate) fn used<S: ReadStore + ?Sized>(
    store: &mut S,
    idempotency: &Idempotency,
) -> Result<Option<Appended>, StoreError> {
    let Some((index, found)) = store.idempotency(&idempotency.key)? else { return Ok(None) };
    if found.request != idempotency.request {
        return Ok(Some(Appended::Conflict { index }));
    }
    let decision = store.payload(index, Role::Decision)?;
    Ok(Some(Appended::Repeated { index, decision }))
}

/// Puts one entry into the transaction, or says why not. The outer error is the store's and ends everything; the inner
/// one is this entry's alone, found before anything of it was written.
fn place(
    store: &mut dyn Store,
    edge: &mut Edge,
    known: &mut HashSet<Sha256>,
    entry: &Entry,
) -> Result<Result<Appended, StoreError>, StoreError> {
    if let Some(idempotency) = &entry.idempotency
        && let Some(answer) = used(store, idempotency)?
    {
        return Ok(Ok(answer));
    }
    for (question, (query, expected)) in entry.expected_history.iter().enumerate() {
        let now = match store.history(query) {
            Err(error @ StoreError::TooMuchHistory { .. }) => return Ok(Err(error)),
            other => other?,
        };
        if now != *expected {
            return Ok(Ok(Appended::HistoryChanged { question, now }));
        }
    }
    if let Some(index) = store.find(entry.event.id)? {
        return Ok(Err(StoreError::refused(format!("event {index} has the id {} already", entry.event.id))));
    }
    for reference in &entry.references {
        if known.contains(reference) || entry.blobs.iter().any(|blob| blob.sha256() == *reference) {
            continue;
        }
        if !store.has_blob(reference)? {
            return Ok(Err(StoreError::refused(format!("the event names {reference}, whose bytes are not stored"))));
        }
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(*reference);
    }
    if let Some(erasure) = &entry.erases
        && (erasure.index >= edge.size() || store.find(erasure.id)? != Some(erasure.index))
    {
        return Ok(Err(StoreError::refused(format!("event {} is not the decision {}", erasure.index, erasure.id))));
    }

    let index = edge.size();
    store.insert(index, entry)?;
    let leaf_hash = leaf_hash(&entry.event.leaf);
    let mut completed = Vec::new();
    edge.push(leaf_hash, |level, index, hash| completed.push((level, index, hash)));
    for (level, index, hash) in completed {
        if let Some(position) = node_position(level, index) {
            store.insert_node(position, &hash)?;
        }
    }
    if let Some(erasure) = &entry.erases {
        erasure.parts.iter().try_for_each(|part| store.erase(erasure.index, *part))?;
    }
    Ok(Ok(Appended::Committed(Commit { index, leaf_hash, scrub_pending: entry.erases.is_some() })))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// The stop comes between a thread's look whether it has to wait and its wait.
    #[test]
    fn whoever_waits_learns_of_a_stop() {
        let shared = Shared::new(0, String::new());
        let (looking, looks) = std::sync::mpsc::channel();
        let start = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                shared.wait(Duration::from_secs(20), |_| {
                    looking.send(()).unwrap();
                    std::thread::sleep(Duration::from_millis(200));
                    false
                })
            });
            looks.recv().unwrap();
            shared.stop(&StoreError::damaged("a test"));
        });
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        assert!(shared.check().is_err());
    }
}
