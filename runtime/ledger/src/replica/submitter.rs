//! Handing entries to whoever writes: a thread with one connection for all callers.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::leaf_hash;
use crate::sequencer::{Appended, Job, Work};
use crate::store::postgres::submitted::{Answered, Seal, encode_entry};
use crate::store::postgres::{Postgres, PostgresOptions};
use crate::store::{ReadStore as _, Role};
use crate::store_error::StoreError;

/// Submits entries, and tells the callers what became of them. One connection for all of them.
pub(crate) struct Submitter {
    place: PostgresOptions,
    seal: Seal,
    wait: Duration,
    max_batch: usize,
    connection: Option<Postgres>,
    outstanding: HashMap<Uuid, Outstanding>,
    looked: Option<Instant>,
}

struct Outstanding {
    leaf: Vec<u8>,
    since: Instant,
    /// Late, and neither answered nor there to be taken back when it was last looked for.
    missed: bool,
    answer: SyncSender<Result<Appended, StoreError>>,
}

/// How long an announcement of answers is waited for before the queue has its turn again.
const LISTEN_INTERVAL: Duration = Duration::from_millis(5);
/// Most time from one look for answers to the next, in case an announcement was missed.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

impl Submitter {
    pub(crate) fn new(place: PostgresOptions, seal: Seal, wait: Duration, max_batch: usize) -> Submitter {
        Submitter { place, seal, wait, max_batch, connection: None, outstanding: HashMap::new(), looked: None }
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
                    self.outstanding.insert(id, Outstanding { leaf, since, missed: false, answer });
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
        let late: Vec<Uuid> =
            self.outstanding.iter().filter(|(_, one)| one.since.elapsed() >= self.wait).map(|(id, _)| *id).collect();
        let due = !late.is_empty() || self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_INTERVAL);
        if !self.connection()?.heard(LISTEN_INTERVAL)? && !due {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        let ids: Vec<Uuid> = self.outstanding.keys().copied().collect();
        let seal = self.seal.clone();
        let connection = self.connection()?;
        let answers = connection.answers(&ids, &seal)?;
        let withdrawn = if late.is_empty() { Vec::new() } else { connection.withdraw(&late)? };
        let mut told = Vec::with_capacity(answers.len());
        for (id, answer) in answers {
            let Some(one) = self.outstanding.remove(&id) else { continue };
            let result = self.connection().and_then(|connection| read_back(connection, &one.leaf, answer));
            let _ = one.answer.send(result.map_err(|error| match error {
                StoreError::Database { .. } => StoreError::Unknown { cause: error.to_string() },
                other => other,
            }));
            told.push(id);
        }
        let waited_ms = u64::try_from(self.wait.as_millis()).unwrap_or(u64::MAX);
        for id in withdrawn {
            if let Some(one) = self.outstanding.remove(&id) {
                let _ = one.answer.send(Err(StoreError::NotTaken { waited_ms }));
            }
        }
        self.give_up(&late);
        if told.is_empty() { Ok(()) } else { self.connection()?.forget(&told) }
    }

    /// Answers what is late and has no row any more: whoever writes forgets rows that are long over, answered or not. A
    /// row that was being answered just now is found by the next look.
    fn give_up(&mut self, late: &[Uuid]) {
        for id in late {
            let Some(one) = self.outstanding.get_mut(id) else { continue };
            if !std::mem::replace(&mut one.missed, true) {
                continue;
            }
            if let Some(one) = self.outstanding.remove(id) {
                let cause = "it was submitted, and its answer is gone".to_owned();
                let _ = one.answer.send(Err(StoreError::Unknown { cause }));
            }
        }
    }

    /// What is outstanding may have been written, or may be: nobody gets permission for it.
    fn fail(&mut self, error: &StoreError) {
        self.connection = None;
        for (_, one) in self.outstanding.drain() {
            let _ = one.answer.send(Err(StoreError::Unknown { cause: error.to_string() }));
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
