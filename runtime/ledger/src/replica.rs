//! A replica of a PostgreSQL ledger: hands what it decides to whoever writes, and is ready to be the one that does.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::log::{check_prefix, edge_of, spawn};
use crate::sequencer::{Appended, Job, Work};
use crate::store::postgres::submitted::{Answered, PURGED_AFTER, Seal, encode_entry};
use crate::store::postgres::{Postgres, PostgresOptions};
use crate::store::{ReadStore as _, Role};
use crate::store_error::StoreError;
use crate::{KeyChain, Ledger, LedgerOptions, leaf_hash, outside};

/// What makes a [`Ledger`] a replica. Dropped once no caller is left: what was submitted is waited for.
pub(crate) struct Replica {
    pub(crate) submitter: Option<JoinHandle<()>>,
    pub(crate) candidate: Candidate,
}

impl Drop for Replica {
    fn drop(&mut self) {
        if let Some(thread) = self.submitter.take() {
            let _ = thread.join();
        }
    }
}

/// Takes the lease whenever nobody has it, and then writes what replicas submit.
pub(crate) struct Candidate {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    ended: Mutex<bool>,
    changed: Condvar,
    writes: AtomicBool,
    problem: Mutex<Option<String>>,
}

impl Candidate {
    pub(crate) fn start(
        place: &PostgresOptions,
        key_file: &Path,
        copies: &[PathBuf],
        options: &LedgerOptions,
    ) -> Result<Candidate, StoreError> {
        let options = LedgerOptions { lock_wait: Duration::ZERO, ..options.clone() };
        let mut copies = Copies { place: place.clone(), paths: copies.to_vec(), made: false };
        let open = {
            let (place, key_file) = (place.clone(), key_file.to_owned());
            move |copies: &[PathBuf]| match Ledger::open_postgres(&place, &key_file, copies, &options) {
                Ok(writer) => Ok(Some(writer)),
                Err(StoreError::Leased { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        // On a host's first time there is no copy yet that another could be behind.
        let first = open(&copies.paths).or_else(|error| match error {
            StoreError::CopyMissing { .. } => copies.follow().and_then(|()| open(&copies.paths)),
            error => Err(error),
        })?;
        copies.follow()?;
        let state = Arc::new(State::default());
        state.writes.store(first.is_some(), Ordering::Relaxed);
        let thread = {
            let state = Arc::clone(&state);
            // An ended lease is found soon enough, and the database is not asked without a pause.
            let pause = (place.lease / 4).clamp(Duration::from_millis(20), Duration::from_secs(2));
            spawn("ledger-candidate", move || state.run(first, pause, copies, open))?
        };
        Ok(Candidate { state, thread: Some(thread) })
    }

    pub(crate) fn writes(&self) -> bool {
        self.state.writes.load(Ordering::Relaxed)
    }

    pub(crate) fn problem(&self) -> Option<String> {
        self.state.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        *self.state.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.state.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl State {
    fn run(
        &self,
        mut writer: Option<Ledger>,
        pause: Duration,
        mut copies: Copies,
        open: impl Fn(&[PathBuf]) -> Result<Option<Ledger>, StoreError>,
    ) {
        loop {
            // A writer that stopped, because it lost its lease or its connection, writes nothing more.
            writer = writer.filter(|writer| writer.check().is_ok());
            let mut problem = None;
            if writer.is_none() {
                match copies.follow().and_then(|()| open(&copies.paths)) {
                    Ok(opened) => writer = opened,
                    Err(error) => problem = Some(error.to_string()),
                }
            }
            self.writes.store(writer.is_some(), Ordering::Relaxed);
            *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
            let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            let ended = self.changed.wait_timeout_while(ended, pause, |ended| !*ended);
            if *ended.unwrap_or_else(PoisonError::into_inner).0 {
                if writer.is_none() {
                    // The copies speak of all that was answered here. Where the database is gone, they lag, as they may.
                    _ = copies.follow();
                }
                return;
            }
        }
    }
}

/// The copies of a replica that does not write. They follow what the writer stores, so that the ledger cannot be put back
/// behind what any replica saw.
struct Copies {
    place: PostgresOptions,
    paths: Vec<PathBuf>,
    /// Whether they were there before: then one that is missing is missed when this replica opens the ledger.
    made: bool,
}

impl Copies {
    fn follow(&mut self) -> Result<(), StoreError> {
        let mut store = Postgres::open_reader(&self.place)?;
        let Some(note) = store.checkpoint()? else { return Ok(()) };
        let (chain, edge) = (KeyChain::of(&mut store)?, edge_of(&mut store)?);
        for path in &self.paths {
            match outside::read_copy(path)? {
                Some(kept) if kept == note => continue,
                Some(kept) => check_prefix(&mut store, &edge, &kept, &chain, path)?,
                None if self.made => continue,
                None => {}
            }
            check_prefix(&mut store, &edge, &note, &chain, path)?;
            outside::write_text(path, &note)?;
        }
        self.made = true;
        Ok(())
    }
}

/// Submits entries, and tells the callers what became of them. One connection for all of them.
pub(crate) struct Submitter {
    place: PostgresOptions,
    seal: Seal,
    wait: Duration,
    max_batch: usize,
    connection: Option<Postgres>,
    outstanding: HashMap<Uuid, Outstanding>,
}

struct Outstanding {
    leaf: Vec<u8>,
    since: Instant,
    answer: SyncSender<Result<Appended, StoreError>>,
}

/// Most time from one look for answers to the next.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

impl Submitter {
    pub(crate) fn new(place: PostgresOptions, seal: Seal, wait: Duration, max_batch: usize) -> Submitter {
        Submitter { place, seal, wait, max_batch, connection: None, outstanding: HashMap::new() }
    }

    /// Runs until every sender is gone and everything is answered.
    pub(crate) fn run(mut self, queue: &Receiver<Work>) {
        let mut open = true;
        while open || !self.outstanding.is_empty() {
            let mut jobs = Vec::new();
            // Without anything outstanding there is nothing to look for.
            let time = if self.outstanding.is_empty() { Duration::from_secs(3600) } else { Duration::ZERO };
            match queue.recv_timeout(time) {
                Ok(work) => jobs.extend(job(work)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => open = false,
            }
            while jobs.len() < self.max_batch
                && let Ok(work) = queue.try_recv()
            {
                jobs.extend(job(work));
            }
            if let Err(error) = self.submit(jobs).and_then(|()| self.look()) {
                self.fail(&error);
            }
        }
    }

    fn submit(&mut self, jobs: Vec<Job>) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(jobs.len());
        let since = Instant::now();
        for Job { entry, answer, .. } in jobs {
            match encode_entry(&entry) {
                Ok(row) => {
                    let id = Uuid::now_v7();
                    rows.push((id, row));
                    let leaf = entry.event.leaf;
                    self.outstanding.insert(id, Outstanding { leaf, since, answer });
                }
                Err(error) => drop(answer.send(Err(error))),
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let (wait, holder, seal) = (self.wait, self.place.holder.clone(), self.seal.clone());
        self.connection()?.submit(&rows, &seal, &holder, (since, wait))
    }

    /// Waits for answers, for a moment, and takes back what waited too long.
    fn look(&mut self) -> Result<(), StoreError> {
        if self.outstanding.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = self.outstanding.keys().copied().collect();
        let late: Vec<Uuid> =
            self.outstanding.iter().filter(|(_, one)| one.since.elapsed() >= self.wait).map(|(id, _)| *id).collect();
        let waited_ms = u64::try_from(self.wait.as_millis()).unwrap_or(u64::MAX);
        let seal = self.seal.clone();
        let connection = self.connection()?;
        connection.heard(LOOK_INTERVAL)?;
        let answers = connection.answers(&ids, &seal)?;
        let withdrawn = if late.is_empty() { Vec::new() } else { connection.withdraw(&late)? };
        let mut told = Vec::with_capacity(answers.len());
        for (id, answer) in answers {
            let Some(one) = self.outstanding.remove(&id) else { continue };
            let result = match self.connection() {
                Ok(connection) => read_back(connection, &one.leaf, answer),
                Err(error) => Err(error),
            };
            let _ = one.answer.send(result);
            told.push(id);
        }
        for id in withdrawn {
            if let Some(one) = self.outstanding.remove(&id) {
                let _ = one.answer.send(Err(StoreError::NotTaken { waited_ms }));
            }
        }
        // Neither answered nor taken back: whoever writes forgot it, because this replica stood still for so long.
        let forgotten = self.wait.saturating_add(PURGED_AFTER);
        for (_, one) in self.outstanding.extract_if(|_, one| one.since.elapsed() > forgotten) {
            let message = "the submission is gone; whether the entry is in the ledger is unknown".to_owned();
            let _ = one.answer.send(Err(StoreError::Database { phase: "submitting", message }));
        }
        if told.is_empty() { Ok(()) } else { self.connection()?.forget(&told) }
    }

    /// Whether what is outstanding was or will be written is unknown now: nobody gets permission for it.
    fn fail(&mut self, error: &StoreError) {
        self.connection = None;
        for (_, one) in self.outstanding.drain() {
            let message = format!("{error}; whether the entry is in the ledger is unknown");
            let _ = one.answer.send(Err(StoreError::Database { phase: "submitting", message }));
        }
    }

    fn connection(&mut self) -> Result<&mut Postgres, StoreError> {
        match &mut self.connection {
            Some(connection) => Ok(connection),
            none => Ok(none.insert(Postgres::open_submitter(&self.place)?)),
        }
    }
}

fn job(work: Work) -> Option<Job> {
    match work {
        Work::Append(job) => Some(*job),
        Work::Look => None,
    }
}

/// What is answered is believed once the event is read back: it is there for everyone, and durable.
fn read_back(store: &mut Postgres, leaf: &[u8], answer: Answered) -> Result<Appended, StoreError> {
    match answer {
        Answered::Refused(problem) => Err(StoreError::Refused { problem }),
        Answered::Appended(Appended::Committed(commit)) => {
            let found = store.leaf(commit.index)?;
            if found.as_deref() != Some(leaf) || commit.leaf_hash != leaf_hash(leaf) {
                return Err(StoreError::damaged(format!("event {} is not the one that was submitted", commit.index)));
            }
            Ok(Appended::Committed(commit))
        }
        Answered::Appended(Appended::Repeated { index, .. }) => {
            let decision = store.payload(index, Role::Decision)?;
            Ok(Appended::Repeated { index, decision })
        }
        Answered::Appended(other) => Ok(other),
    }
}
