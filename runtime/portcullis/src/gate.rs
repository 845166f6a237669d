//! The gate: a policy set, a ledger, and the one way from a request to permission.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use portcullis_engine::{Engine, EngineError, EngineOptions};
use portcullis_gate::{Decision, Mask, Pointer, Request, RequestError, Sha256};
use portcullis_ledger::store::{HistoryQuery as Question, Idempotency, StoredPayload};
use portcullis_ledger::{
    Appended, Checkpoint, Ledger, LedgerOptions, MAX_EVENT_TEXT_BYTES, MAX_RESOURCE_ID_BYTES, StoreError, keyed_digest,
    leaf_hash, verify_inclusion,
};

use crate::past::{LedgerHistory, asked};
use crate::record::{Kept, Place, Recorded, entry};
use crate::{DecideOptions, HistorySource, ModuleStore, Permission, PolicySet, SetError, activation, masks};

/// The code of the deny where a decision could not be recorded.
pub const LEDGER_UNAVAILABLE: &str = "portcullis.ledger-unavailable";

/// How long to wait for the checkpoint of an event that was committed just now.
const CHECKPOINT_WAIT: Duration = Duration::from_secs(5);

/// Longest idempotency key, in bytes.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 256;

/// How often a decision is made anew because what policies were told of the past is no longer so.
const MAX_TRIES: u32 = 8;

/// How a gate is opened. Every figure is finite.
#[derive(Clone, Debug)]
pub struct GateOptions {
    /// What runs the policies.
    pub engine: EngineOptions,
    /// How the ledger is kept.
    pub ledger: LedgerOptions,
    /// Most requests that are being decided at once; one more is shed with [`DecideError::Overloaded`].
    pub max_in_flight: usize,
    /// Where modules that come from a registry are kept; a set that has such needs one.
    pub modules: Option<ModuleStore>,
}

impl Default for GateOptions {
    fn default() -> GateOptions {
        GateOptions {
            engine: EngineOptions::default(),
            ledger: LedgerOptions::default(),
            max_in_flight: 1024,
            modules: None,
        }
    }
}

/// Why a gate was not opened. Without a gate there is no [`Permission`], so nothing proceeds.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GateError {
    /// The engine could not be set up.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The policy set could not be opened.
    #[error(transparent)]
    Set(#[from] SetError),
    /// The ledger could not be opened, or does not take the policy set.
    #[error("the ledger: {0}")]
    Ledger(#[from] StoreError),
    /// The policy set's files do not fit into an event.
    #[error("the policy set cannot be recorded: {0}")]
    Format(#[from] portcullis_ledger::FormatError),
}

/// Why there is no decision. Nothing proceeds.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// Too many requests at once, too many entries wait for the ledger, or no replica wrote in time what this one decided.
    /// Nothing was recorded: ask again.
    #[error("overloaded: {reason}")]
    Overloaded {
        /// What is full.
        reason: String,
    },
    /// The idempotency key was used before for another request.
    #[error("the idempotency key was used before for another request (event {index} of the ledger); choose a new key")]
    Conflict {
        /// The event of that request.
        index: u64,
    },
    /// What policies count in the ledger's history changed each time that the request was decided, or the ledger holds
    /// decisions that are later than the host's clock. Ask again.
    #[error(
        "each of {MAX_TRIES} times that the request was decided, the ledger had other decisions than the policies counted: \
         ask again, and see that the clock is not behind the ledger's latest decision"
    )]
    Contended,
    /// Something that the record keeps as the caller wrote it is longer than a record takes. Nothing was evaluated.
    #[error("the {what} has {bytes} bytes, at most {limit} are recorded")]
    TooLong {
        /// What.
        what: &'static str,
        /// Its bytes.
        bytes: usize,
        /// How many there may be.
        limit: usize,
    },
    /// With the set's masks applied, the request is none.
    #[error("masked by the policy set, the request is malformed: {0}")]
    Masked(RequestError),
}

impl DecideError {
    /// Stable, for machines.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            DecideError::Overloaded { .. } => "portcullis.overloaded",
            DecideError::Conflict { .. } => "portcullis.idempotency-conflict",
            DecideError::Contended => "portcullis.contended",
            DecideError::TooLong { .. } => "portcullis.too-long",
            DecideError::Masked(_) => "portcullis.mask",
        }
    }
}

/// Why [`Gate::guard`] did not run the effect.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The decision does not proceed.
    #[error("{}", .0.outcome())]
    Decided(Box<Recorded>),
    /// There is no decision.
    #[error(transparent)]
    Undecided(#[from] DecideError),
}

/// What stands in front of a change: decides requests by a policy set, records each decision, and gives permission for
/// those that proceed. Shared by any number of threads.
///
/// | what is missing | what comes of it |
/// |---|---|
/// | the policy set, the lock, the ledger, its key | [`Gate::open`] fails: no gate, no [`Permission`] |
/// | a module, at load | a fault in each decision that concerns it: deny, unless its level is lower |
/// | an answer, at evaluation | the same |
/// | the ledger, later | [`LEDGER_UNAVAILABLE`]: deny |
/// | a place for one more request | [`DecideError::Overloaded`] |
/// | a ledger, by choice ([`Gate::dry_run`]) | decisions, and never a [`Permission`] |
pub struct Gate {
    active: RwLock<Arc<Active>>,
    ledger: Option<Arc<Ledger>>,
    masking: Sha256,
    idempotency: Sha256,
    /// Held by the one request that is being decided anew.
    again: Mutex<()>,
    in_flight: AtomicUsize,
    max_in_flight: usize,
    evaluating: Turns,
}

/// The set that decides, with what its records repeat.
struct Active {
    set: PolicySet,
    /// The digests of each policy's reference documents.
    data: BTreeMap<String, BTreeMap<String, Sha256>>,
}

impl Gate {
    /// Opens the policy set at `policies` (a folder or a manifest) and the ledger in the file `ledger`, which is made where
    /// there is none.
    ///
    /// # Errors
    /// [`GateError`]: one of them cannot be opened.
    pub fn open(policies: &Path, ledger: &Path, options: &GateOptions) -> Result<Gate, GateError> {
        let engine = Engine::new(&options.engine)?;
        let set = PolicySet::open_with(policies, options.modules.as_ref(), &engine)?;
        let ledger = Ledger::open(ledger, &options.ledger)?;
        Gate::new(set, Arc::new(ledger), options.max_in_flight)
    }

    /// A gate of a set and a ledger that are open. The set's files are recorded, where the ledger's newest set is another.
    ///
    /// # Errors
    /// [`GateError`]: the ledger does not take the set.
    pub fn new(set: PolicySet, ledger: Arc<Ledger>, max_in_flight: usize) -> Result<Gate, GateError> {
        let key = |purpose| ledger.derived_key(purpose);
        let (masking, idempotency) = (key("portcullis mask 1"), key("portcullis idempotency 1"));
        let active = Arc::new(Active::new(set));
        activation::activate(&ledger, &active.set, &active.data)?;
        Ok(Gate {
            active: RwLock::new(active),
            ledger: Some(ledger),
            masking,
            idempotency,
            again: Mutex::new(()),
            in_flight: AtomicUsize::new(0),
            max_in_flight,
            evaluating: Turns::new(),
        })
    }

    /// A gate that records nothing, for rehearsals: it decides, and gives no permission. Policies that read the history
    /// fault.
    #[must_use]
    pub fn dry_run(set: PolicySet, max_in_flight: usize) -> Gate {
        let once = masks::key_of_this_run();
        Gate {
            active: RwLock::new(Arc::new(Active::new(set))),
            ledger: None,
            masking: once,
            idempotency: once,
            again: Mutex::new(()),
            in_flight: AtomicUsize::new(0),
            max_in_flight,
            evaluating: Turns::new(),
        }
    }

    /// Lets another set decide from now on; requests that are being decided finish with the one before. Activating an
    /// older set again is how to roll back.
    ///
    /// # Errors
    /// [`GateError`]: the ledger does not take the set, and the one before goes on deciding.
    pub fn activate(&self, set: PolicySet) -> Result<(), GateError> {
        let next = Arc::new(Active::new(set));
        let mut active = self.active.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(ledger) = &self.ledger {
            activation::activate(ledger, &next.set, &next.data)?;
        }
        *active = next;
        Ok(())
    }

    /// Decides a request: masks, selects, evaluates, combines, records, answers.
    ///
    /// Where policies count past decisions, the ledger is asked again as it appends, and nothing is appended where the
    /// answer is another: the request is then decided anew, with the clock's time as `now`, one such request at a time.
    ///
    /// # Errors
    /// [`DecideError`]: shed, a used idempotency key, something too long to be recorded, a mask that breaks the request.
    /// Whatever else goes wrong is part of the decision, and stops it.
    pub fn decide(&self, request: Request, options: &DecideOptions) -> Result<Recorded, DecideError> {
        let _place = InFlight::take(self)?;
        let active = Arc::clone(&self.active.read().unwrap_or_else(PoisonError::into_inner));
        let mut request = self.mask(request, &active.set, &options.masks)?;
        check_lengths(&request, options)?;
        if let Some(earlier) = self.earlier(&request, options)? {
            return Ok(earlier);
        }
        let mut turn = None;
        let options = DecideOptions { history: self.history(), ..options.clone() };
        for tries in 1..=MAX_TRIES {
            let started = Instant::now();
            let decision = self.evaluating.take(|| active.set.decide(&request, &options));
            let recorded = match &self.ledger {
                None => Some(Recorded::of(&decision, Place::DryRun)),
                Some(ledger) => self.record(ledger, &active, decision, started, &options)?,
            };
            if let Some(mut recorded) = recorded {
                recorded.tries = tries;
                return Ok(recorded);
            }
            turn.get_or_insert_with(|| self.again.lock().unwrap_or_else(PoisonError::into_inner));
            let now = Timestamp::now().max(request.now());
            request = Request::parse(request.bytes(), now).map_err(DecideError::Masked)?;
        }
        Err(DecideError::Contended)
    }

    /// Decides a request and runs `effect` where it proceeds.
    ///
    /// # Errors
    /// [`Stopped`]: the decision, or why there is none; `effect` was not run.
    pub fn guard<R>(
        &self,
        request: Request,
        options: &DecideOptions,
        effect: impl FnOnce(Permission<'_>) -> R,
    ) -> Result<R, Stopped> {
        let recorded = self.decide(request, options)?;
        match recorded.permission() {
            Some(permission) => Ok(effect(permission)),
            None => Err(Stopped::Decided(Box::new(recorded))),
        }
    }

    /// The ledger; `None` for a dry run.
    #[must_use]
    pub fn ledger(&self) -> Option<&Arc<Ledger>> {
        self.ledger.as_ref()
    }

    /// What is worth knowing about the active set's manifest although it is no error.
    #[must_use]
    pub fn warnings(&self) -> Vec<portcullis_gate::Mark> {
        self.active.read().unwrap_or_else(PoisonError::into_inner).set.warnings().to_vec()
    }

    fn history(&self) -> HistorySource {
        match &self.ledger {
            None => HistorySource::None,
            Some(ledger) => HistorySource::Ledger(Arc::new(LedgerHistory::new(Arc::clone(ledger)))),
        }
    }

    /// The decision that was made before under the same idempotency key. Where that cannot be told, the request is decided,
    /// and the ledger tells when it appends.
    fn earlier(&self, request: &Request, options: &DecideOptions) -> Result<Option<Recorded>, DecideError> {
        let (Some(ledger), Some(key)) = (&self.ledger, self.idempotency_key(options)) else { return Ok(None) };
        match ledger.used(&Idempotency::new(key, request.bytes())) {
            Ok(Some(Appended::Conflict { index })) => Err(DecideError::Conflict { index }),
            Ok(Some(Appended::Repeated { index, decision })) => Ok(repeated(ledger, index, decision, request).ok()),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    fn idempotency_key(&self, options: &DecideOptions) -> Option<Sha256> {
        options.idempotency_key.as_ref().map(|key| keyed_digest(self.idempotency.as_bytes(), key.as_bytes()))
    }

    /// Records a decision; `None` where what it rests on is no longer so and it has to be made anew.
    fn record(
        &self,
        ledger: &Ledger,
        active: &Active,
        decision: Decision,
        started: Instant,
        options: &DecideOptions,
    ) -> Result<Option<Recorded>, DecideError> {
        let idempotency = self.idempotency_key(options);
        let questions: Vec<(Question, _)> = asked(&decision);
        let Kept { entry, json } = match entry(&decision, &active.data, idempotency, started, questions) {
            Ok(kept) => kept,
            Err(error) => return Ok(Some(unrecorded(decision, &error.to_string()))),
        };
        match ledger.append(entry) {
            Ok(Appended::Committed(commit)) => {
                Ok(Some(Recorded::committed(&decision, json, Place::Ledger { index: commit.index })))
            }
            Ok(Appended::Repeated { index, decision: earlier }) => {
                match repeated(ledger, index, earlier, decision.request()) {
                    Ok(recorded) => Ok(Some(recorded)),
                    Err(reason) => Ok(Some(unrecorded(decision, &reason))),
                }
            }
            Ok(Appended::Conflict { index }) => Err(DecideError::Conflict { index }),
            Ok(Appended::HistoryChanged { .. }) => Ok(None),
            // Certainly in no ledger: whoever asks may ask again.
            Err(error @ (StoreError::Overloaded { .. } | StoreError::NotTaken { .. })) => {
                Err(DecideError::Overloaded { reason: error.to_string() })
            }
            Err(error) => Ok(Some(unrecorded(decision, &error.to_string()))),
        }
    }

    /// The request as the masks of the set and of the door leave it.
    fn mask(&self, request: Request, set: &PolicySet, door: &[Mask]) -> Result<Request, DecideError> {
        let masks = [set.pinned().definition.masks(), door].concat();
        masks::mask(request, &masks, &self.masking).map_err(DecideError::Masked)
    }
}

/// What an event and the bytes that are stored with it say, as the answer to a request that repeats one.
fn repeated(
    ledger: &Ledger,
    index: u64,
    decision: Option<StoredPayload>,
    request: &Request,
) -> Result<Recorded, String> {
    proven(ledger, index).and_then(|leaf| Recorded::repeated(index, &leaf, decision, request))
}

/// Refuses what an event could not hold, before anything is evaluated.
fn check_lengths(request: &Request, options: &DecideOptions) -> Result<(), DecideError> {
    let (one, many) = (MAX_EVENT_TEXT_BYTES, MAX_RESOURCE_ID_BYTES);
    let field = |what, at: &str, limit| {
        let text = Pointer::new(at).ok().and_then(|pointer| request.text(&pointer).map(str::len));
        (what, text, limit)
    };
    let all = [
        ("correlation id", options.correlation_id.as_ref().map(String::len), one),
        ("idempotency key", options.idempotency_key.as_ref().map(String::len), MAX_IDEMPOTENCY_KEY_BYTES),
        field("action's name", "/action/name", one),
        field("resource's type", "/resource/type", one),
        field("resource's id", "/resource/id", many),
    ];
    match all.into_iter().find(|(_, bytes, limit)| bytes.is_some_and(|bytes| bytes > *limit)) {
        Some((what, Some(bytes), limit)) => Err(DecideError::TooLong { what, bytes, limit }),
        _ => Ok(()),
    }
}

/// The event of that index, proven to be in the tree that this process signed: rows of the file are not believed.
fn proven(ledger: &Ledger, index: u64) -> Result<Vec<u8>, String> {
    let prove = || -> Result<Vec<u8>, StoreError> {
        let reader = ledger.reader()?;
        let missing = || StoreError::Damaged { problem: format!("event {index} is missing") };
        let leaf = reader.with(|store| store.leaf(index))?.ok_or_else(missing)?;
        let note = ledger.checkpoint_of(index.saturating_add(1), CHECKPOINT_WAIT)?;
        let damaged = |problem: String| StoreError::Damaged { problem: format!("event {index}: {problem}") };
        let checkpoint = Checkpoint::open(&note, ledger.verifier_key()).map_err(|error| damaged(error.to_string()))?;
        let proof = reader.prove_inclusion(index, checkpoint.size())?;
        verify_inclusion(&leaf_hash(&leaf), index, checkpoint.size(), &proof, &checkpoint.root())
            .map_err(|error| damaged(error.to_string()))?;
        Ok(leaf)
    };
    prove().map_err(|error| error.to_string())
}

/// A decision that is in no ledger: denied, whatever the policies said.
fn unrecorded(decision: Decision, reason: &str) -> Recorded {
    let message = "the decision could not be recorded, so nothing proceeds";
    let stopped = decision.stopped(LEDGER_UNAVAILABLE, message.into());
    Recorded::of(&stopped, Place::Nowhere { reason: reason.into() })
}

impl Active {
    fn new(set: PolicySet) -> Active {
        let data = set.data_digests();
        Active { set, data }
    }
}

/// A place among the requests that are being decided.
struct InFlight<'g>(&'g AtomicUsize);

impl<'g> InFlight<'g> {
    fn take(gate: &'g Gate) -> Result<InFlight<'g>, DecideError> {
        let before = gate.in_flight.fetch_add(1, Ordering::Relaxed);
        let place = InFlight(&gate.in_flight);
        if before >= gate.max_in_flight {
            return Err(DecideError::Overloaded { reason: format!("{before} requests are being decided") });
        }
        Ok(place)
    }
}

/// Lets so many threads evaluate at once as is of use, and the others wait: an engine has a number of sandboxes, and one
/// evaluation more is a fault, which would be recorded as a deny.
struct Turns {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Turns {
    fn new() -> Turns {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Turns { free: Mutex::new(processors.saturating_mul(4).clamp(16, 128)), freed: Condvar::new() }
    }

    fn take<R>(&self, work: impl FnOnce() -> R) -> R {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free = free.saturating_sub(1);
        drop(free);
        let _turn = Turn(self);
        work()
    }
}

/// Given back however the work ends.
struct Turn<'t>(&'t Turns);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut free = self.0.free.lock().unwrap_or_else(PoisonError::into_inner);
        *free = free.saturating_add(1);
        self.0.freed.notify_one();
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let active = self.active.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Gate").field("set", &active.set.pinned().sha256).finish_non_exhaustive()
    }
}
