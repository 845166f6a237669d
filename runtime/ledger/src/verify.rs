//! Verifies a whole ledger: everything that is stored, against the events, and the events against the tree.
//!
//! What is wrong is data: a list of problems with codes and places. Nothing is trusted but the verifier key: every hash is
//! computed again, and every table that could be rebuilt from the events is compared with them, row by row.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};

use crate::commitment::Commitment;
use crate::event::{Body, DecisionBody, Event, Facts, RequestFacts};
use crate::store::sqlite::{PageReport, Sqlite, WriterLock, beside, check_pages};
use crate::store::{
    Erasure, EventRow, Idempotency, ListedDecision, ReadStore, Role, StoredPayload, Totals, references_of,
};
use crate::store_error::StoreError;
use uuid::Uuid;

use crate::{Checkpoint, Edge, KeyChain, Sha256, VerifierKey, leaf_hash, node_position, nodes_of, outside};

/// Problems that are listed; the rest is counted.
pub const MAX_PROBLEMS: usize = 1000;
/// Events that are in memory at once.
const CHUNK: u64 = 128;

/// What [`verify_file`] and [`verify_store`] found.
#[derive(Clone, Debug)]
pub struct Verification {
    /// Events in the ledger.
    pub size: u64,
    /// The root of their tree, computed from the events.
    pub root: Sha256,
    /// What is wrong; empty where nothing is.
    pub problems: Vec<Problem>,
    /// How many problems are not listed.
    pub problems_left_out: u64,
    /// Signed checkpoints that were compared.
    pub checkpoints: u64,
    /// Payloads that are erased, each by an event that says so.
    pub erased: u64,
    /// Whether the file's pages were accounted for, and why not.
    pub pages: Pages,
}

impl Verification {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Whether every byte of the file was accounted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pages {
    /// Yes.
    Checked {
        /// Bytes that nothing reads, left where SQLite split pages; not accounted for.
        remnant_bytes: u64,
    },
    /// No: a writer has the file, it was not closed cleanly, or it is no file.
    NotChecked {
        /// Which.
        reason: String,
    },
}

/// Something wrong in a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind.
    pub code: ProblemCode,
    /// Where: an event, a node, a page, a file.
    pub at: String,
    /// What exactly.
    pub detail: String,
}

/// Kinds of problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemCode {
    /// Something could not be read as what it should be.
    Unreadable,
    /// An event is missing between others, or there is one too many.
    Gap,
    /// An event's bytes are not canonical or not an event.
    Event,
    /// A table that repeats the events says something else.
    Index,
    /// A node of the tree is not the hash of what is below it.
    Node,
    /// A signed checkpoint is not of a prefix of the ledger, or not properly signed.
    Checkpoint,
    /// A blob's bytes do not have its digest.
    Blob,
    /// Bytes that an event names are not stored.
    Missing,
    /// A request or a decision is not what its event commits to.
    Payload,
    /// Something is erased without an event that says so, or not erased although an event says so.
    Erasure,
    /// The database's own structure.
    Structure,
    /// Bytes of the file that belong to nothing.
    Page,
}

/// Verifies a SQLite ledger file and the copies of its checkpoint. Writes nothing where nobody else has it open and it
/// was closed cleanly; then every byte of the file is accounted for as well.
///
/// `copies` are those that must be there; `key` is the verifier key where the caller knows it from elsewhere.
///
/// # Errors
/// [`StoreError`] only where the file cannot be opened as a ledger at all.
pub fn verify_file(path: &Path, copies: &[PathBuf], key: Option<&VerifierKey>) -> Result<Verification, StoreError> {
    // A process that is just being started by this one holds its locks too, for a moment.
    let lock = WriterLock::take(path, std::time::Duration::from_secs(1));
    let wal = PathBuf::from(format!("{}-wal", path.display()));
    let unmoved = std::fs::metadata(&wal).is_ok_and(|wal| wal.len() > 0);
    let unchecked = match &lock {
        Ok(_) | Err(StoreError::Io { .. }) if unmoved => Some("it was not closed cleanly: open it for writing once"),
        Err(StoreError::Locked { .. }) => Some("another process has it open for writing"),
        // Without a lock file nobody writes: a writer makes one first.
        Ok(_) | Err(_) => None,
    };
    let (mut store, mut structure) = match unchecked {
        None => (Sqlite::open_still(path)?, Sqlite::open_still(path)?),
        Some(_) => (Sqlite::open_reader(path)?, Sqlite::open_reader(path)?),
    };
    let written_by = store.written_by();
    std::thread::scope(|scope| {
        let itself = scope.spawn(move || structure.check_itself());
        let pages = match (unchecked, &written_by) {
            (None, Ok(version)) => {
                let version = *version;
                Some(scope.spawn(move || check_pages(path, version)))
            }
            _ => None,
        };
        let mut found = verify_store(&mut store, copies, key)?;
        let mut all = Collected::of(&mut found);
        match itself.join() {
            Ok(Ok(lines)) => lines.into_iter().for_each(|line| all.add(ProblemCode::Structure, path.display(), line)),
            Ok(Err(error)) => all.add(ProblemCode::Structure, path.display(), error.to_string()),
            Err(_) => all.add(ProblemCode::Structure, path.display(), "the check panicked"),
        }
        let report = match pages.map(std::thread::ScopedJoinHandle::join) {
            Some(Ok(Ok(report))) => report,
            Some(Ok(Err(error))) => {
                all.add(ProblemCode::Page, path.display(), error.to_string());
                PageReport::default()
            }
            Some(Err(_)) => {
                all.add(ProblemCode::Page, path.display(), "the check panicked");
                PageReport::default()
            }
            None => {
                if let Err(error) = written_by {
                    all.add(ProblemCode::Unreadable, "meta", error.to_string());
                }
                let reason = unchecked.unwrap_or("the version of SQLite that wrote it is not readable").to_owned();
                found.pages = Pages::NotChecked { reason };
                return Ok(found);
            }
        };
        for problem in report.problems {
            all.add(ProblemCode::Page, format!("page {}", problem.page), problem.problem);
        }
        found.pages = Pages::Checked { remnant_bytes: report.remnant_bytes };
        Ok(found)
    })
}

/// The copies that a ledger has where nothing else is said.
#[must_use]
pub fn default_copies(path: &Path) -> Vec<PathBuf> {
    vec![beside(path, "checkpoint")]
}

/// Verifies what a store says, in one snapshot.
///
/// # Errors
/// [`StoreError`] where no snapshot can be had.
pub fn verify_store(
    store: &mut dyn ReadStore,
    copies: &[PathBuf],
    key: Option<&VerifierKey>,
) -> Result<Verification, StoreError> {
    let mut found = Verification {
        size: 0,
        root: Edge::new().root(),
        problems: Vec::new(),
        problems_left_out: 0,
        checkpoints: 0,
        erased: 0,
        pages: Pages::NotChecked { reason: "it is no file".to_owned() },
    };
    // Copies are read first: the store only grows, so it must continue each of them.
    let mut notes = Vec::new();
    let mut all = Collected::of(&mut found);
    for copy in copies {
        match outside::read_copy(copy) {
            Ok(Some(note)) => notes.push((copy.display().to_string(), note)),
            Ok(None) => all.add(ProblemCode::Checkpoint, copy.display(), "the copy is missing"),
            Err(error) => all.add(ProblemCode::Unreadable, copy.display(), error.to_string()),
        }
    }
    store.begin_snapshot()?;
    Walk { store, all, seen: Totals::default(), judged: Judged::default() }.run(notes, key);
    store.end_snapshot()?;
    Ok(found)
}

struct Collected<'f>(&'f mut Verification);

impl<'f> Collected<'f> {
    fn of(found: &'f mut Verification) -> Collected<'f> {
        Collected(found)
    }

    fn add(&mut self, code: ProblemCode, at: impl std::fmt::Display, detail: impl Into<String>) {
        if self.0.problems.len() < MAX_PROBLEMS {
            self.0.problems.push(Problem { code, at: at.to_string(), detail: detail.into() });
        } else {
            self.0.problems_left_out += 1;
        }
    }

    /// What was read, or nothing and a problem.
    fn read<T: Default>(&mut self, at: impl std::fmt::Display, result: Result<T, StoreError>) -> T {
        result.unwrap_or_else(|error| {
            self.add(ProblemCode::Unreadable, at, error.to_string());
            T::default()
        })
    }
}

struct Walk<'s, 'f> {
    store: &'s mut dyn ReadStore,
    all: Collected<'f>,
    seen: Totals,
    judged: Judged,
}

impl Walk<'_, '_> {
    fn run(mut self, mut notes: Vec<(String, String)>, key: Option<&VerifierKey>) {
        let totals = self.all.read("the tables", self.store.totals());
        // A damaged index may claim any size; there are no more events than rows.
        let size = self.all.read("events", self.store.size()).min(totals.events);
        if let Some(note) = self.all.read("checkpoint", self.store.checkpoint()) {
            notes.push(("the stored checkpoint".to_owned(), note));
        }
        let signed = self.signed(&notes, key, size);
        let mut edge = Edge::new();
        // Reading and hashing is one half of the work, decoding the other: other threads do that.
        let judged = std::thread::scope(|scope| {
            let judges: Vec<_> = (0..JUDGES)
                .map(|_| {
                    let (send, receive) = sync_channel::<Vec<Item>>(2);
                    (send, scope.spawn(move || Judged::of(&receive)))
                })
                .collect();
            let mut start = 0;
            for (send, _) in judges.iter().cycle() {
                if start >= size {
                    break;
                }
                let end = size.min(start.saturating_add(CHUNK));
                // A judge who is gone is missed below.
                let _ = send.send(self.chunk(start..end, &mut edge, &signed));
                start = end;
            }
            let (senders, judges): (Vec<_>, Vec<_>) = judges.into_iter().unzip();
            drop(senders);
            judges.into_iter().map(|judge| judge.join()).collect::<Vec<_>>()
        });
        for judged in judged {
            match judged {
                Ok(judged) => self.judged.merge(judged),
                Err(_) => self.all.add(ProblemCode::Unreadable, "events", "a thread panicked"),
            }
        }
        let mut problems = std::mem::take(&mut self.judged.problems);
        problems.sort_by_key(|(index, _)| *index);
        problems.into_iter().for_each(|(_, problem)| self.all.add(problem.code, problem.at, problem.detail));
        self.all.0.problems_left_out += self.judged.left_out;
        self.compare(&edge, &signed);
        self.all.0.size = edge.size();
        self.all.0.root = edge.root();
        self.all.0.checkpoints = u64::try_from(signed.len()).unwrap_or(u64::MAX);
        self.erasures();
        self.blobs();
        if totals != self.seen {
            let detail = format!("the tables have {totals:?}, the events account for {:?}", self.seen);
            self.all.add(ProblemCode::Gap, "the tables", detail);
        }
    }

    /// The checkpoints that are properly signed and not of a larger ledger.
    fn signed(
        &mut self,
        notes: &[(String, String)],
        key: Option<&VerifierKey>,
        size: u64,
    ) -> Vec<(String, Checkpoint)> {
        let identity = match self.store.identity() {
            Ok(identity) => identity,
            Err(error) => {
                self.all.add(ProblemCode::Unreadable, "meta", error.to_string());
                return Vec::new();
            }
        };
        let chain = match KeyChain::of(self.store) {
            Ok(chain) => chain,
            Err(error) => {
                self.all.add(ProblemCode::Checkpoint, "the keys", error.to_string());
                return Vec::new();
            }
        };
        // Whoever trusts one of the keys can check all of them: both sign a hand-over.
        if let Some(key) = key
            && !chain.keys().any(|found| found == key)
        {
            let found = chain.current();
            let detail = format!("the ledger says {} with the key {found}, expected is {key}", identity.origin);
            self.all.add(ProblemCode::Checkpoint, "meta", detail);
        }
        let mut found = Vec::new();
        for (at, note) in notes {
            match chain.open(note) {
                Ok(signed) if signed.size() > size => {
                    let detail = format!("signed for {} events, but there are {size}", signed.size());
                    self.all.add(ProblemCode::Checkpoint, at, detail);
                }
                Ok(signed) => found.push((at.clone(), signed)),
                Err(error) => self.all.add(ProblemCode::Checkpoint, at, error.to_string()),
            }
        }
        found
    }

    fn compare(&mut self, edge: &Edge, signed: &[(String, Checkpoint)]) {
        for (at, signed) in signed.iter().filter(|(_, signed)| signed.size() == edge.size()) {
            if signed.root() != edge.root() {
                let detail = format!("signed is {}, the events give {}", signed.root(), edge.root());
                self.all.add(ProblemCode::Checkpoint, at, detail);
            }
        }
    }

    /// Reads a range of events and what is beside them, and compares the tree.
    fn chunk(&mut self, range: std::ops::Range<u64>, edge: &mut Edge, signed: &[(String, Checkpoint)]) -> Vec<Item> {
        let mut items = Vec::new();
        let at = format!("events {} to {}", range.start, range.end - 1);
        let events = self.all.read(&at, self.store.events(range.clone()));
        let mut payloads = self.all.read(&at, self.store.payloads(range.clone())).into_iter().peekable();
        let mut decisions = self.all.read(&at, self.store.decisions(range.clone())).into_iter().peekable();
        let mut keys = self.all.read(&at, self.store.idempotencies(range.clone())).into_iter().peekable();
        let positions = nodes_of(range.start)..nodes_of(range.end);
        let mut nodes = self.all.read(&at, self.store.nodes(positions)).into_iter().peekable();

        let mut events = events.into_iter().peekable();
        for index in range {
            self.compare(edge, signed);
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
        items
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

/// What is stored beside an event.
struct Beside {
    payloads: Vec<(Role, StoredPayload)>,
    decision: Option<ListedDecision>,
    key: Option<Idempotency>,
}

/// An event, its columns, and what is stored beside it.
type Item = (u64, EventRow, Beside);

/// Threads that compare events with what is stored beside them.
const JUDGES: usize = 2;

/// What single events say, and what is wrong with them.
#[derive(Default)]
struct Judged {
    problems: Vec<(u64, Problem)>,
    left_out: u64,
    references: HashSet<Sha256>,
    /// Payloads that are erased, and those of which an event says so.
    erased: HashSet<(u64, Role)>,
    said: HashSet<(u64, Role)>,
    /// Events that say so: their index, and the index and the id of the decision.
    erasers: Vec<(u64, u64, Uuid)>,
}

impl Judged {
    fn of(items: &Receiver<Vec<Item>>) -> Judged {
        let mut judged = Judged::default();
        for (index, row, beside) in items.iter().flatten() {
            judged.event(index, &row, &beside);
        }
        judged
    }

    fn add(&mut self, index: u64, code: ProblemCode, detail: impl Into<String>) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push((index, Problem { code, at: format!("event {index}"), detail: detail.into() }));
        } else {
            self.left_out += 1;
        }
    }

    fn merge(&mut self, other: Judged) {
        self.problems.extend(other.problems);
        self.left_out += other.left_out;
        self.references.extend(other.references);
        self.erased.extend(other.erased);
        self.said.extend(other.said);
        self.erasers.extend(other.erasers);
    }

    fn event(&mut self, index: u64, row: &EventRow, beside: &Beside) {
        let event = match Event::decode(&row.leaf) {
            Ok(event) => event,
            Err(error) => return self.add(index, ProblemCode::Event, error.to_string()),
        };
        let expected = EventRow::of(&event, Vec::new());
        if (row.id, &row.kind, row.time) != (expected.id, &expected.kind, expected.time) {
            self.add(index, ProblemCode::Index, "its id, type or time is stored differently");
        }
        let decision = expected.columns.map(|columns| ListedDecision { index, columns });
        if beside.decision != decision {
            self.add(index, ProblemCode::Index, "the index of decisions says something else");
        }
        self.references.extend(references_of(&event));
        match &event.body {
            Body::Decision(body) => self.decision(index, &event, body, beside),
            Body::RequestErased(body) => {
                let erasure = Erasure::of(body);
                self.erasers.push((index, erasure.index, erasure.id));
                if erasure.index >= index {
                    self.add(index, ProblemCode::Erasure, "it erases something later");
                }
                self.said.extend(erasure.parts.iter().map(|part| (erasure.index, *part)));
            }
            Body::PolicySetActivated(_) | Body::PolicyReviewed(_) | Body::ReplayChecked(_) | Body::KeyRotated(_) => {}
        }
        if !matches!(event.body, Body::Decision(_)) && (!beside.payloads.is_empty() || beside.key.is_some()) {
            self.add(index, ProblemCode::Index, "it is no decision, but has a payload or a key");
        }
    }

    fn decision(&mut self, index: u64, event: &Event, body: &DecisionBody, beside: &Beside) {
        let commitments: [(Role, &Commitment); 2] = [(Role::Request, &body.request), (Role::Decision, &body.decision)];
        let (mut request, mut decision) = (None, None);
        for (role, commitment) in commitments {
            let found: Vec<&StoredPayload> =
                beside.payloads.iter().filter(|(found, _)| *found == role).map(|(_, payload)| payload).collect();
            match found.as_slice() {
                [StoredPayload::Present(payload)] => {
                    if !commitment.opens(&payload.salt, &payload.bytes) {
                        self.add(index, ProblemCode::Payload, format!("not the {} of the event", role.as_str()));
                    }
                    match role {
                        Role::Request => request = Some(payload.bytes.as_slice()),
                        Role::Decision => decision = Some(payload.bytes.as_slice()),
                    }
                }
                [StoredPayload::Erased { bytes }] => {
                    if u64::try_from(*bytes).ok() != Some(commitment.bytes) {
                        let detail = format!("the erased {} has another length", role.as_str());
                        self.add(index, ProblemCode::Payload, detail);
                    }
                    self.erased.insert((index, role));
                }
                _ => self.add(index, ProblemCode::Missing, format!("its {} is not stored", role.as_str())),
            }
        }
        if let Some(problem) = says(event, body, request, decision) {
            self.add(index, ProblemCode::Payload, problem);
        }
        let expected = body.idempotency.map(|key| match request {
            Some(request) => Idempotency::new(key, request),
            None => Idempotency { key, request: Idempotency::ERASED },
        });
        if beside.key != expected {
            self.add(index, ProblemCode::Index, "its idempotency key is stored differently");
        }
    }
}

/// What an event says that is not so by what it commits to.
fn says(event: &Event, body: &DecisionBody, request: Option<&[u8]>, decision: Option<&[u8]>) -> Option<String> {
    let differs = |what: &str, role: Role| format!("its {what} is not what the {} says", role.as_str());
    if let Some(request) = request {
        match RequestFacts::of(request) {
            Err(error) => return Some(error.to_string()),
            Ok(facts) => {
                if let Some(what) = facts.mismatch(body) {
                    return Some(differs(what, Role::Request));
                }
            }
        }
    }
    let facts = match Facts::of(decision?) {
        Err(error) => return Some(error.to_string()),
        Ok(facts) => facts,
    };
    if let Some(what) = facts.mismatch(event, body) {
        return Some(differs(what, Role::Decision));
    }
    request
        .filter(|request| Sha256::of(request) != facts.request_sha256)
        .map(|_| "the decision is of another request".into())
}
