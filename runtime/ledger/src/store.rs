//! Where a ledger is kept: what a store does, and what it keeps of each event.
//!
//! A store is synchronous and has one writer, the sequencer, which owns it on a thread of its own. It never decides
//! anything: it keeps rows and says, inside a transaction, what is already there. Everything but the bytes of events,
//! blobs and payloads can be computed again from the events; [`verify_store`](crate::verify_store) does that.

mod filter;
mod history;
mod payloads;
pub(crate) mod pool;
pub mod postgres;
pub mod sqlite;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

pub use history::{HistoryAnswer, HistoryQuery, MAX_HISTORY_ROWS};
use jiff::Timestamp;
pub use payloads::Payloads;
use payloads::{payload_of, payload_place};
use portcullis_gate::{Outcome, Sha256};
use uuid::Uuid;

use crate::FormatError;
use crate::commitment::{Salt, keyed_digest};
use crate::event::{Body, ErasedPart, Event, PolicyFiles, Recorded, RequestErased};
use crate::store_error::StoreError;

/// What one append brings: an event's bytes and everything that is kept beside them, committed together or not at all.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The event and the columns that are read from it.
    pub event: EventRow,
    /// Content-addressed bytes that the event names and that are not erasable: modules, settings, data documents.
    pub blobs: Vec<Blob>,
    /// The request's bytes, erasable.
    pub request: Option<Payload>,
    /// The decision's full JSON, erasable.
    pub decision: Option<Payload>,
    /// A key under which the same request gets the same answer.
    pub idempotency: Option<Idempotency>,
    /// Answers about the past that this entry rests on. Asked again inside the transaction, earlier entries of the same
    /// batch included; where one differs, nothing is appended.
    pub expected_history: Vec<(HistoryQuery, HistoryAnswer)>,
    /// What a `request.erased` event erases, in the same transaction.
    pub erases: Option<Erasure>,
    /// Digests that the event names, whose bytes must be stored or come with the entry.
    pub references: Vec<Sha256>,
}

impl Entry {
    /// An entry of an event, with the columns that are read from it, and nothing beside it yet.
    ///
    /// # Errors
    /// [`FormatError`]: the event cannot be encoded.
    pub fn new(event: &Event) -> Result<Entry, FormatError> {
        let leaf = event.encode()?;
        Ok(Entry::of(event, leaf))
    }

    /// An entry of a decision that was just recorded.
    #[must_use]
    pub fn of_recorded(recorded: &Recorded) -> Entry {
        // Of more policies than the event lists.
        let references = recorded.references.clone();
        Entry { references, ..Entry::of(&recorded.event, recorded.leaf.clone()) }
    }

    fn of(event: &Event, leaf: Vec<u8>) -> Entry {
        let erases = match &event.body {
            Body::RequestErased(body) => Some(Erasure::of(body)),
            _ => None,
        };
        Entry {
            event: EventRow::of(event, leaf),
            blobs: Vec::new(),
            request: None,
            decision: None,
            idempotency: None,
            expected_history: Vec::new(),
            erases,
            references: references_of(event),
        }
    }
}

/// What is erased of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// The decision's id.
    pub id: Uuid,
    /// Its index.
    pub index: u64,
    /// Which payloads.
    pub parts: Vec<Role>,
}

impl Erasure {
    pub(crate) fn of(body: &RequestErased) -> Erasure {
        let parts = body.parts.iter().map(|part| match part {
            ErasedPart::Request => Role::Request,
            ErasedPart::Decision => Role::Decision,
        });
        Erasure { id: body.decision, index: body.index, parts: parts.collect() }
    }
}

/// An event's bytes and the columns that are read from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// UUIDv7, unique in the ledger.
    pub id: Uuid,
    /// The event's type, such as `decision`.
    pub kind: String,
    /// When it happened, to the millisecond.
    pub time: Timestamp,
    /// The canonical bytes: the tree's leaf.
    pub leaf: Vec<u8>,
    /// What can be asked about a decision.
    pub columns: Option<DecisionRow>,
}

impl EventRow {
    /// The columns of an event with these bytes.
    pub(crate) fn of(event: &Event, leaf: Vec<u8>) -> EventRow {
        let columns = match &event.body {
            Body::Decision(body) => Some(DecisionRow {
                time: body.now.timestamp(),
                action: body.action.clone(),
                resource_type: body.resource.kind.clone(),
                resource_id: body.resource.id.clone(),
                outcome: body.outcome,
            }),
            _ => None,
        };
        EventRow { id: event.id, kind: event.kind().to_owned(), time: event.time.timestamp(), leaf, columns }
    }
}

/// The columns by which decisions are found and counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionRow {
    /// The host's clock as the policies saw it, to the millisecond.
    pub time: Timestamp,
    /// The action's name.
    pub action: String,
    /// The resource's type.
    pub resource_type: String,
    /// The resource's id.
    pub resource_id: String,
    /// The decision's outcome.
    pub outcome: Outcome,
}

/// Bytes with their sha256, computed when made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    sha256: Sha256,
    bytes: Arc<[u8]>,
}

impl Blob {
    /// Bytes to keep.
    #[must_use]
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Blob {
        let bytes = bytes.into();
        Blob { sha256: Sha256::of(&bytes), bytes }
    }

    /// The bytes' sha256.
    #[must_use]
    pub fn sha256(&self) -> Sha256 {
        self.sha256
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Erasable bytes, and the salt under which the event commits to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// 32 random bytes, erased with the payload: without them the commitment says nothing about guessed bytes.
    pub salt: Salt,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Which payload of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The request as it was decided.
    Request,
    /// The decision's full JSON.
    Decision,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 2] = [Role::Request, Role::Decision];

    pub(crate) const fn number(self) -> i64 {
        match self {
            Role::Request => 0,
            Role::Decision => 1,
        }
    }

    /// The role's name in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Request => "request",
            Role::Decision => "decision",
        }
    }
}

/// A payload as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredPayload {
    /// It is there.
    Present(Payload),
    /// It was overwritten; an event says when and why.
    Erased {
        /// How many bytes it had.
        bytes: usize,
    },
}

impl StoredPayload {
    /// How many bytes it has in the store.
    fn len(&self) -> usize {
        match self {
            StoredPayload::Present(payload) => payload.bytes.len(),
            StoredPayload::Erased { bytes } => *bytes,
        }
    }
}

/// A key under which the same request gets the same answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// A keyed digest of the caller's key, never the key itself; the event has it too.
    pub key: Sha256,
    /// A digest of the request, keyed with `key`: equal for equal requests. Zeros once the request is erased: then every
    /// further use is a conflict.
    pub request: Sha256,
}

impl Idempotency {
    /// For a request with these bytes.
    #[must_use]
    pub fn new(key: Sha256, request: &[u8]) -> Idempotency {
        Idempotency { key, request: keyed_digest(key.as_bytes(), Sha256::of(request).as_bytes()) }
    }

    /// What stands in the place of [`Idempotency::request`] once the request is erased.
    pub const ERASED: Sha256 = Sha256::from_bytes([0; 32]);
}

/// Which decisions to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// Only of this action.
    pub action: Option<String>,
    /// Only on resources of this type.
    pub resource_type: Option<String>,
    /// Only on the resource of this id.
    pub resource_id: Option<String>,
    /// Only of these outcomes; empty means any.
    pub outcomes: Vec<Outcome>,
    /// Only at or after.
    pub since: Option<Timestamp>,
    /// Only before.
    pub until: Option<Timestamp>,
    /// Only with a smaller index: where the page before ended.
    pub before: Option<u64>,
}

/// A decision as [`ReadStore::list`] and the verifier see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedDecision {
    /// The event's index.
    pub index: u64,
    /// Its columns.
    pub columns: DecisionRow,
}

/// How many rows each table has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Events.
    pub events: u64,
    /// Complete nodes above the leaves.
    pub nodes: u64,
    /// Blobs.
    pub blobs: u64,
    /// Payloads, erased ones included.
    pub payloads: u64,
    /// Rows of the index of decisions.
    pub decisions: u64,
    /// Idempotency keys.
    pub idempotency: u64,
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} events, {} nodes, {} blobs, {} payloads, {} decisions in the index, {} idempotency keys",
            self.events, self.nodes, self.blobs, self.payloads, self.decisions, self.idempotency
        )
    }
}

/// Reading. Every method reads committed rows, or, between [`Store::begin`] and [`Store::commit`], the transaction's.
pub trait ReadStore: Send {
    /// Whether the connection still answers. Asked after an error.
    fn is_alive(&mut self) -> bool {
        true
    }
    /// Whether the connection sees later what was written until then.
    fn is_reusable(&self) -> bool {
        true
    }
    /// Makes what follows, until [`ReadStore::end_snapshot`], see one state of the store.
    fn begin_snapshot(&mut self) -> Result<(), StoreError>;
    /// Ends what [`ReadStore::begin_snapshot`] began.
    fn end_snapshot(&mut self) -> Result<(), StoreError>;
    /// How many events there are. O(log n).
    ///
    /// # Errors
    /// [`StoreError`], as everywhere here: the store could not be read, or holds what no store writes.
    fn size(&mut self) -> Result<u64, StoreError>;
    /// The ledger's origin and its verifier key in text form.
    fn identity(&mut self) -> Result<Identity, StoreError>;
    /// The bytes of one event.
    fn leaf(&mut self, index: u64) -> Result<Option<Vec<u8>>, StoreError>;
    /// Events of a range of indexes, in order. `columns` is not filled in: it is read from the events.
    fn events(&mut self, range: Range<u64>) -> Result<Vec<(u64, EventRow)>, StoreError>;
    /// The index of the event of that id.
    fn find(&mut self, id: Uuid) -> Result<Option<u64>, StoreError>;
    /// Events of a kind other than `decision`, of which there are few, with an index below `before`: the latest first, at
    /// most `limit`.
    fn of_kind(&mut self, kind: &str, before: u64, limit: u32) -> Result<Vec<(u64, Vec<u8>)>, StoreError>;
    /// A complete node above the leaves, by its [`node_position`](crate::node_position).
    fn node(&mut self, position: u64) -> Result<Option<Sha256>, StoreError>;
    /// Nodes of a range of positions, in order.
    fn nodes(&mut self, range: Range<u64>) -> Result<Vec<(u64, Sha256)>, StoreError>;
    /// The bytes stored under a digest, not yet compared with it.
    fn blob(&mut self, sha256: &Sha256) -> Result<Option<Vec<u8>>, StoreError>;
    /// Whether bytes are stored under a digest.
    fn has_blob(&mut self, sha256: &Sha256) -> Result<bool, StoreError>;
    /// The digests under which blobs are stored, by their number from 0, at most `limit`.
    fn blob_digests(&mut self, from: u64, limit: u64) -> Result<Vec<(u64, Sha256)>, StoreError>;
    /// One payload.
    fn payload(&mut self, index: u64, role: Role) -> Result<Option<StoredPayload>, StoreError>;
    /// The payloads of a range of events, up to those of the event with which there are `enough` bytes.
    fn payloads(&mut self, range: Range<u64>, enough: u64) -> Result<Payloads, StoreError>;
    /// What was stored under an idempotency key: the event's index, and the row.
    fn idempotency(&mut self, key: &Sha256) -> Result<Option<(u64, Idempotency)>, StoreError>;
    /// The idempotency keys of a range of events, in order.
    fn idempotencies(&mut self, range: Range<u64>) -> Result<Vec<(u64, Idempotency)>, StoreError>;
    /// The index of decisions of a range of events, in order.
    fn decisions(&mut self, range: Range<u64>) -> Result<Vec<ListedDecision>, StoreError>;
    /// Decisions, the latest index first.
    fn list(&mut self, filter: &ListFilter, limit: u32) -> Result<Vec<ListedDecision>, StoreError>;
    /// Counts decisions.
    ///
    /// # Errors
    /// [`StoreError::TooMuchHistory`] too.
    fn history(&mut self, query: &HistoryQuery) -> Result<HistoryAnswer, StoreError>;
    /// Indexes, from `from` on, of decisions before a time whose payloads are not erased, in order.
    fn erasable(&mut self, before: Timestamp, from: u64, limit: u32) -> Result<Vec<u64>, StoreError>;
    /// The signed checkpoint of all events.
    fn checkpoint(&mut self) -> Result<Option<String>, StoreError>;
    /// The notes with which a key handed over to the next, by the size that they are of, the smallest first.
    fn handovers(&mut self) -> Result<Vec<(u64, String)>, StoreError>;
    /// How many rows each table has. O(n).
    fn totals(&mut self) -> Result<Totals, StoreError>;
    /// Whatever the store can check about itself, such as its pages: one line for each problem.
    fn check_itself(&mut self) -> Result<Vec<String>, StoreError>;
}

/// An entry that another process submitted, as its row holds it.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The row's id.
    pub id: Uuid,
    /// The sealed entry.
    pub row: Vec<u8>,
    /// When the row was taken, in microseconds since 1970 by the store's clock.
    pub taken_at: i64,
}

/// Writing, by the one sequencer.
pub trait Store: ReadStore {
    /// Begins the transaction of a batch.
    fn begin(&mut self) -> Result<(), StoreError>;
    /// Adds an event, its index rows and payloads. Indexes are given by the sequencer, without gaps.
    fn insert(&mut self, index: u64, entry: &Entry) -> Result<(), StoreError>;
    /// Adds a complete node above the leaves.
    fn insert_node(&mut self, position: u64, hash: &Sha256) -> Result<(), StoreError>;
    /// Keeps the newest signed checkpoint instead of the one before.
    fn set_checkpoint(&mut self, size: u64, note: &str) -> Result<(), StoreError>;
    /// Keeps the note with which a key handed over to the next.
    fn insert_handover(&mut self, size: u64, note: &str) -> Result<(), StoreError>;
    /// Overwrites a payload of an event with zeros; the length stays. With a request goes what an idempotency key says of
    /// it.
    fn erase(&mut self, index: u64, role: Role) -> Result<(), StoreError>;
    /// Entries that others submitted, in the form of their rows, in the order in which they came. They stay as they are until
    /// they are answered in the same transaction. A store with one process has none.
    fn take_submitted(&mut self, limit: usize) -> Result<Vec<Submission>, StoreError> {
        let _ = limit;
        Ok(Vec::new())
    }
    /// Answers submissions.
    fn answer_submitted(&mut self, answers: &[(Uuid, Vec<u8>)]) -> Result<(), StoreError> {
        if answers.is_empty() { Ok(()) } else { Err(StoreError::refused("nothing was submitted")) }
    }
    /// Makes the transaction durable. After an error nothing is known about what is durable, and no later call may
    /// succeed.
    fn commit(&mut self) -> Result<(), StoreError>;
    /// Gives up the transaction.
    fn rollback(&mut self) -> Result<(), StoreError>;
    /// Leaves nothing of erased bytes in files of the store that are not the database, after
    /// [`OpenReader::prepare_scrub`]. Waits for nobody: false where a reader holds them open, and it has to be asked again.
    fn scrub(&mut self) -> Result<bool, StoreError>;
    /// From now on the store writes and syncs nothing more, not even when closed.
    fn abandon(&mut self);
}

/// Opens further connections for reading.
pub trait OpenReader: Send + Sync {
    /// One more connection.
    ///
    /// # Errors
    /// [`StoreError`].
    fn open_reader(&self) -> Result<Box<dyn ReadStore>, StoreError>;

    /// A connection that waits for submissions of others; `None` where there are no others.
    ///
    /// # Errors
    /// [`StoreError`].
    fn listen(&self) -> Result<Option<Box<dyn Listen>>, StoreError> {
        Ok(None)
    }

    /// Most time from one upkeep to the next.
    fn tend_interval(&self) -> Duration {
        TEND_INTERVAL
    }

    /// Upkeep beside the writer, which it must not delay. Called after checkpoints were published.
    ///
    /// # Errors
    /// [`StoreError`]; the ledger stops.
    fn tend(&self) -> Result<(), StoreError>;

    /// Does of a [`Store::scrub`] what can be done beside the writer, however long it takes.
    ///
    /// # Errors
    /// [`StoreError`]; the ledger stops.
    fn prepare_scrub(&self) -> Result<(), StoreError>;
}

/// Most time from one upkeep of a store to the next.
const TEND_INTERVAL: Duration = Duration::from_secs(1);

/// Waits for submissions of others.
pub trait Listen: Send {
    /// Whether something was submitted within `time`.
    ///
    /// # Errors
    /// [`StoreError`]: the connection is gone.
    fn wait(&mut self, time: Duration) -> Result<bool, StoreError>;
}

/// Which ledger it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The log's origin, as in its checkpoints.
    pub origin: String,
    /// The verifier key in text form.
    pub verifier_key: String,
}

/// The digests of blobs that an event names.
pub(crate) fn references_of(event: &Event) -> Vec<Sha256> {
    let (mut found, policies) = match &event.body {
        Body::PolicySetActivated(body) => {
            let own = [body.manifest_sha256, body.lock_sha256].into_iter().chain(body.evidence_sha256);
            (own.collect(), &body.policies)
        }
        Body::PolicyReviewed(body) => return vec![body.bundle_sha256],
        Body::Decision(body) => (Vec::new(), &body.policies),
        Body::ReplayChecked(_) | Body::RequestErased(_) | Body::KeyRotated(_) => return Vec::new(),
    };
    found.extend(policies.iter().flat_map(PolicyFiles::digests));
    found
}

/// Events below an index, the latest first: an index that is out of order gives others, and whoever goes on from the last
/// one would never end.
fn going_back(events: Vec<(u64, Vec<u8>)>, before: u64) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
    let mut next = before;
    for (index, _) in &events {
        if *index >= next {
            return Err(StoreError::damaged(format!("the index of kinds gives event {index} after event {next}")));
        }
        next = *index;
    }
    Ok(events)
}
