//! Reads every event with what is beside it, and builds the tree again.

use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{TrySendError, sync_channel};
use std::sync::{Arc, Mutex};

use super::checkpoints::Signed;
use super::judge::{Beside, Item, Judged};
use super::{Collected, ProblemCode};
use crate::store::sqlite::{Account, PageReport};
use crate::store::{ReadStore, Role, Totals};
use crate::{Edge, Sha256, VerifierKey, leaf_hash, node_position, nodes_of};

/// Most events that are read at once.
const CHUNK: u64 = 128;
/// Fewer are, where their requests and decisions have so many bytes.
const CHUNK_BYTES: u64 = 4 << 20;
/// Most bytes of those that other threads are to compare; one event's may be more.
const WAITING_BYTES: u64 = 16 << 20;
const PANICKED: &str = "comparing them ended with a panic";
/// Most threads that compare events with what is stored beside them: one that reads has no more for them to do.
const MAX_JUDGES: usize = 4;

pub(super) struct Walk<'s, 'f> {
    store: &'s mut dyn ReadStore,
    account: Option<Account>,
    all: Collected<'f>,
    seen: Totals,
    judged: Judged,
}

impl<'s, 'f> Walk<'s, 'f> {
    pub(super) fn new(store: &'s mut dyn ReadStore, account: Option<Account>, all: Collected<'f>) -> Walk<'s, 'f> {
        Walk { store, account, all, seen: Totals::default(), judged: Judged::default() }
    }

    pub(super) fn run(mut self, copies: &[(String, String)], key: Option<&VerifierKey>) -> PageReport {
        let counted = match self.account {
            Some(_) => None,
            None => Some(self.all.read("the tables", self.store.totals())),
        };
        // A damaged index may claim any size; there are no more events than rows.
        let rows = match (&self.account, counted) {
            (Some(account), _) => account.max_rows(),
            (None, counted) => counted.map_or(0, |totals| totals.events),
        };
        let size = self.all.read("events", self.store.size()).min(rows);
        let mut signed = Signed::of(self.store, copies, key, size, &mut self.all);
        let mut edge = Edge::new();
        // Other threads compare what is read; while they are behind, this one does.
        let judges =
            std::thread::available_parallelism().map_or(1, |all| all.get().saturating_sub(1).clamp(1, MAX_JUDGES));
        let waiting = AtomicU64::new(0);
        let judged = std::thread::scope(|scope| {
            let (send, receive) = sync_channel::<(Vec<Item>, u64)>(judges);
            let receive = Arc::new(Mutex::new(receive));
            let judges: Vec<_> = (0..judges)
                .map(|_| {
                    let (receive, waiting, mut done) = (Arc::clone(&receive), &waiting, 0);
                    scope.spawn(move || {
                        Judged::of(std::iter::from_fn(|| {
                            waiting.fetch_sub(done, Ordering::Relaxed);
                            let (items, bytes) = receive.lock().ok()?.recv().ok()?;
                            done = bytes;
                            Some(items)
                        }))
                    })
                })
                .collect();
            drop(receive);
            let mut start = 0;
            // Where there is an account, whoever called starts anew without it and finds all.
            while start < size && (self.account.is_none() || self.all.0.is_sound()) {
                let (items, bytes, end) =
                    self.chunk(start..size.min(start.saturating_add(CHUNK)), &mut edge, &mut signed);
                let before = waiting.fetch_add(bytes, Ordering::Relaxed);
                let sent = if before > 0 && before.saturating_add(bytes) > WAITING_BYTES {
                    Err(TrySendError::Full((items, bytes)))
                } else {
                    send.try_send((items, bytes))
                };
                if let Err(TrySendError::Full((items, _)) | TrySendError::Disconnected((items, _))) = sent {
                    waiting.fetch_sub(bytes, Ordering::Relaxed);
                    // As in the other threads: whatever happens while an event is read is a problem of the ledger.
                    let judge = AssertUnwindSafe(|| self.judged.judge(items));
                    if std::panic::catch_unwind(judge).is_err() {
                        self.all.add(ProblemCode::Unreadable, "events", PANICKED);
                    }
                }
                start = end;
            }
            drop(send);
            judges.into_iter().map(|judge| judge.join()).collect::<Vec<_>>()
        });
        for judged in judged {
            match judged {
                Ok(judged) => self.judged.merge(judged),
                Err(_) => self.all.add(ProblemCode::Unreadable, "events", PANICKED),
            }
        }
        if self.judged.count != self.seen.events {
            let detail = format!("{} of {} were compared", self.judged.count, self.seen.events);
            self.all.add(ProblemCode::Unreadable, "events", detail);
        }
        let mut problems = std::mem::take(&mut self.judged.problems);
        problems.sort_by_key(|(index, _)| *index);
        problems.into_iter().for_each(|(_, problem)| self.all.add(problem.code, problem.at, problem.detail));
        self.all.0.problems_left_out += self.judged.left_out;
        signed.compare(&edge, &mut self.all);
        signed.end(&mut self.all);
        self.all.0.size = edge.size();
        self.all.0.root = edge.root();
        self.all.0.checkpoints = u64::try_from(signed.count()).unwrap_or(u64::MAX);
        self.erasures();
        self.blobs();
        let (report, totals) = match (self.account.take(), counted) {
            (Some(account), _) => account.end(),
            (None, counted) => (PageReport::default(), counted.unwrap_or_default()),
        };
        if totals != self.seen {
            let detail = format!("they have {totals}; the events account for {}", self.seen);
            self.all.add(ProblemCode::Gap, "the tables", detail);
        }
        report
    }

    /// Reads events of a range and what is beside them, and compares the tree. Gives them, the bytes of their
    /// payloads, and where it came to.
    fn chunk(&mut self, range: Range<u64>, edge: &mut Edge, signed: &mut Signed) -> (Vec<Item>, u64, u64) {
        let mut items = Vec::new();
        let payloads = match &mut self.account {
            Some(account) => account.payloads(range.clone(), CHUNK_BYTES),
            None => self.store.payloads(range.clone(), CHUNK_BYTES),
        };
        let payloads = self.all.read(format!("events {} to {}", range.start, range.end - 1), payloads);
        let range = range.start..payloads.end(&range);
        let (bytes, end) = (payloads.bytes(), range.end);
        let at = format!("events {} to {}", range.start, range.end - 1);
        let nodes = nodes_of(range.start)..nodes_of(range.end);
        let (store, rows) = (&mut *self.store, range.clone());
        let (events, decisions, keys, nodes) = match &mut self.account {
            Some(account) => (
                account.events(rows.clone()),
                account.decisions(rows.clone()),
                account.idempotencies(rows),
                account.nodes(nodes),
            ),
            None => (
                store.events(rows.clone()),
                store.decisions(rows.clone()),
                store.idempotencies(rows),
                store.nodes(nodes),
            ),
        };
        let events = self.all.read(&at, events);
        let mut payloads = payloads.into_rows().into_iter().peekable();
        let mut decisions = self.all.read(&at, decisions).into_iter().peekable();
        let mut keys = self.all.read(&at, keys).into_iter().peekable();
        let mut nodes = self.all.read(&at, nodes).into_iter().peekable();

        let mut events = events.into_iter().peekable();
        for index in range {
            signed.compare(edge, &mut self.all);
            let Some((_, row)) = events.next_if(|(found, _)| *found == index) else {
                self.all.add(ProblemCode::Gap, format!("event {index}"), "it is not there");
                continue;
            };
            self.seen.events += 1;
            let mut completed = Vec::new();
            edge.push(leaf_hash(&row.leaf), |level, index, hash| completed.push((level, index, hash)));
            for (level, node, hash) in completed {
                let Some(position) = node_position(level, node) else { continue };
                match nodes.next_if(|(found, _)| *found == position) {
                    Some((_, found)) => {
                        self.seen.nodes += 1;
                        if found != hash {
                            let detail = format!("stored is {found}, computed {hash}");
                            self.all.add(ProblemCode::Node, format!("level {level}, node {node}"), detail);
                        }
                    }
                    None => self.all.add(ProblemCode::Node, format!("level {level}, node {node}"), "it is not there"),
                }
            }
            let mut beside = Beside { payloads: Vec::new(), decision: None, key: None };
            while let Some((_, role, payload)) = payloads.next_if(|(found, ..)| *found == index) {
                beside.payloads.push((role, payload));
            }
            beside.decision = decisions.next_if(|found| found.index == index);
            beside.key = keys.next_if(|(found, _)| *found == index).map(|(_, key)| key);
            self.seen.payloads += u64::try_from(beside.payloads.len()).unwrap_or(0);
            self.seen.decisions += u64::from(beside.decision.is_some());
            self.seen.idempotency += u64::from(beside.key.is_some());
            items.push((index, row, beside));
        }
        if [payloads.next().is_some(), decisions.next().is_some(), keys.next().is_some(), nodes.next().is_some()]
            .contains(&true)
        {
            self.all.add(ProblemCode::Index, at, "rows are out of order, or of no event");
        }
        (items, bytes, end)
    }

    fn erasures(&mut self) {
        for (by, index, id) in std::mem::take(&mut self.judged.erasers) {
            let at = format!("event {by}");
            let found = self.all.read(&at, self.store.events(index..index.saturating_add(1)));
            if !matches!(found.as_slice(), [(_, row)] if row.id == id) {
                self.all.add(ProblemCode::Erasure, at, format!("it says that event {index} is the decision {id}"));
            }
        }
        self.all.0.erased = u64::try_from(self.judged.erased.len()).unwrap_or(u64::MAX);
        let unsaid: Vec<(u64, Role)> = self.judged.erased.difference(&self.judged.said).copied().collect();
        for (index, role) in unsaid {
            let detail = format!("its {} is erased, and no event says so", role.as_str());
            self.all.add(ProblemCode::Erasure, format!("event {index}"), detail);
        }
        let undone: Vec<(u64, Role)> = self.judged.said.difference(&self.judged.erased).copied().collect();
        for (index, role) in undone {
            let detail = format!("an event says that its {} is erased, but it is there", role.as_str());
            self.all.add(ProblemCode::Erasure, format!("event {index}"), detail);
        }
    }

    fn blobs(&mut self) {
        let mut next = 0;
        loop {
            let digests = self.all.read("blobs", self.store.blob_digests(next, CHUNK));
            let Some((last, _)) = digests.last() else { break };
            if *last < next {
                self.all.add(ProblemCode::Index, format!("blob {last}"), "its number is out of order");
                break;
            }
            next = last.saturating_add(1);
            for (number, digest) in digests {
                self.seen.blobs += 1;
                self.judged.references.remove(&digest);
                let at = format!("blob {number}");
                match self.store.blob(&digest) {
                    Ok(Some(bytes)) if Sha256::of(&bytes) == digest => {}
                    Ok(Some(_)) => self.all.add(ProblemCode::Blob, at, format!("its bytes are not those of {digest}")),
                    Ok(None) => self.all.add(ProblemCode::Blob, at, format!("{digest} is not found")),
                    Err(error) => self.all.add(ProblemCode::Unreadable, at, error.to_string()),
                }
            }
        }
        for reference in std::mem::take(&mut self.judged.references) {
            self.all.add(ProblemCode::Missing, format!("blob {reference}"), "an event names it, and it is not stored");
        }
    }
}
