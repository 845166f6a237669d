//! The gate: a policy set, a ledger, and the one way from a request to permission.

mod admission;
mod error;
mod repeat;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use jiff::Timestamp;
use portcullis_engine::{Engine, EngineOptions};
use portcullis_gate::{Decision, Mark, Mask, Request, Sha256};
use portcullis_ledger::store::HistoryQuery as Question;
use portcullis_ledger::{Appended, Ledger, LedgerOptions, StoreError};

pub use error::{DecideError, GateError, Stopped};

use admission::{Places, check_lengths};
use repeat::repeated;

use crate::past::{LedgerHistory, asked};
use crate::record::{Kept, Place, Recorded, entry};
use crate::{DecideOptions, HistorySource, ModuleStore, Permission, PolicySet, activation, masks};

/// The code of the deny where a decision could not be recorded.
pub const LEDGER_UNAVAILABLE: &str = "portcullis.ledger-unavailable";

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
    /// Held for no longer than it takes to copy or to exchange the pointer.
    active: RwLock<Arc<Active>>,
    /// Held while a set is being recorded, so that the set which decides is the one that was recorded last.
    activating: Mutex<()>,
    ledger: Option<Arc<Ledger>>,
    masking: Sha256,
    idempotency: Sha256,
    /// Held by the one request that is being decided anew.
    again: Mutex<()>,
    places: Places,
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
            activating: Mutex::new(()),
            places: Places::new(max_in_flight),
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
            activating: Mutex::new(()),
            places: Places::new(max_in_flight),
        }
    }

    /// Lets another set decide from now on; requests that are being decided finish with the one before. Activating an
    /// older set again is how to roll back.
    ///
    /// # Errors
    /// [`GateError`]: the ledger does not take the set, and the one before goes on deciding.
    pub fn activate(&self, set: PolicySet) -> Result<(), GateError> {
        let next = Arc::new(Active::new(set));
        let _turn = self.activating.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ledger) = &self.ledger {
            activation::activate(ledger, &next.set, &next.data)?;
        }
        *self.active.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }

    /// Decides a request: masks, selects, evaluates, combines, records, answers.
    ///
    /// It blocks: until an engine's sandbox is free, while policies run, and until the decision is durable, which may take
    /// as long as the ledger waits for its store (15 s). Call it on threads that may wait (tokio: `spawn_blocking`), with
    /// more than 512 KiB of stack left: a guest may use as much of the calling thread's.
    ///
    /// Where policies count past decisions, the ledger is asked again as it appends, and nothing is appended where the
    /// answer is another: the request is then decided anew, with the clock's time as `now`, one such request at a time.
    ///
    /// # Errors
    /// [`DecideError`]: shed, a used idempotency key, something too long to be recorded, a mask that breaks the request.
    /// Whatever else goes wrong is part of the decision, and stops it.
    pub fn decide(&self, request: Request, options: &DecideOptions) -> Result<Recorded, DecideError> {
        let _place = self.places.take()?;
        let active = self.active();
        let mut request = self.mask(request, &active.set, &options.masks)?;
        check_lengths(&request, options)?;
        if let Some(earlier) = self.earlier(&request, options)? {
            return Ok(earlier);
        }
        let history = self.history();
        let mut turn = None;
        for tries in 1..=MAX_TRIES {
            let started = Instant::now();
            let decision = active.set.decide(&request, options, &history);
            let recorded = match &self.ledger {
                None => Some(Recorded::of(&decision, Place::DryRun)),
                Some(ledger) => self.record(ledger, &active, decision, started, options)?,
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
    pub fn warnings(&self) -> Vec<Mark> {
        self.active().set.warnings().to_vec()
    }

    /// The set that decides now.
    fn active(&self) -> Arc<Active> {
        Arc::clone(&self.active.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn history(&self) -> HistorySource {
        match &self.ledger {
            None => HistorySource::None,
            Some(ledger) => HistorySource::Ledger(Arc::new(LedgerHistory::new(Arc::clone(ledger)))),
        }
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
                let recorded = match idempotency {
                    Some(key) => repeated(ledger, index, earlier, key, decision.request()),
                    None => Err(format!("event {index} answers a request that has no idempotency key")),
                };
                Ok(Some(recorded.unwrap_or_else(|reason| unrecorded(decision, &reason))))
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

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("set", &self.active().set.pinned().sha256).finish_non_exhaustive()
    }
}
