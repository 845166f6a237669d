//! What a platform embeds: a [`Gate`] in front of changes, and the doors that turn foreign payloads into requests.
//!
//! What it does: opens a policy set, decides requests, records each decision in a ledger before it answers, makes recorded
//! decisions again, and says what another set would have decided. What it refuses to do: give a [`Permission`] for a
//! decision that does not proceed, or that is not durable.
//!
//! ```no_run
//! use portcullis::{DecideOptions, Gate, GateOptions, Request};
//!
//! # fn deploy(_: portcullis::Permission<'_>) {}
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! portcullis::compile_worker::run_if_asked(); // First in `main`: modules are compiled in a child, which is this program again.
//! let gate = Gate::open("policies".as_ref(), "decisions.ledger".as_ref(), &GateOptions::default())?;
//! let request = Request::parse(
//!     br#"{"subject": {"type": "user", "id": "alice"}, "action": {"name": "deploy"},
//!          "resource": {"type": "service", "id": "payment-api"}, "context": {"environment": "staging"}}"#,
//!     portcullis::now(),
//! )?;
//! let recorded = gate.decide(request, &DecideOptions::default())?;
//! match recorded.permission() {
//!     Some(permission) => deploy(permission),
//!     None => println!("{}: {:?}", recorded.outcome(), recorded.view()?.requirements),
//! }
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod activation;
mod backtest;
mod change;
mod decide;
pub mod doors;
mod evidence;
mod gate;
mod history;
mod kept;
mod masks;
mod module_store;
mod past;
mod record;
mod replay;
mod set;
mod substitute;
mod trial;
mod trust;
mod trust_places;
mod trust_record;
mod usage;

pub use activation::MAX_SET_BYTES;
pub use backtest::{Backtest, Backtester, Compared, Transition, Undecided};
pub use change::{Change, RequirementsChange};
pub use decide::DecideOptions;
pub use evidence::{
    ClaimedEvidence, EvidenceFile, evidence_beside, evidence_name, evidence_of, read_bundle, write_evidence,
};
pub use gate::{DecideError, Gate, GateError, GateOptions, LEDGER_UNAVAILABLE, MAX_IDEMPOTENCY_KEY_BYTES, Stopped};
pub use history::HistorySource;
pub use module_store::{EVIDENCE_SUFFIX, ModuleStore, ModuleStoreError, evidence_path};
#[cfg(unix)]
pub use portcullis_engine::compile_worker;
pub use portcullis_engine::{
    CacheOptions, CacheUse, CompileIn, CompileLimits, Effort, Engine, EngineError, EngineOptions, Evaluation, History,
    LoadError, Policy, Turn,
};
pub use portcullis_gate::{
    Decision, DecisionView, Document, Fault, Faulted, HistoryAnswer, HistoryCall, HistoryQuery, HistoryUnavailable,
    Lock, Mark, Mask, Mismatch, Outcome, PastDecision, PinnedSet, Pointer, Request, RequestError, Requirement,
    SetDefinition, Sha256, SourceError,
};
pub use portcullis_ledger::store::postgres::PostgresOptions;
pub use portcullis_ledger::{
    DecisionBody, Event, FormatError, Ledger, LedgerOptions, Reader, ReplayResult, RequestErased, StoreError,
};
pub use record::{Permission, Place, Recorded};
pub use replay::{ReplayError, Replayed, Replayer, Stored};
pub use set::{LOCK_FILE, Locked, LockedModule, MANIFEST_FILE, NotLoaded, PolicySet, ReadFiles, SetError, SetFiles};
pub use substitute::{
    ChangeKind, Redecided, Substituted, SubstitutedTransition, Substitution, SubstitutionExample, SubstitutionSummary,
    Unknowable, UnloadedPolicy,
};
pub use trial::{Trial, Tried};
pub use trust::{LOAD_TRUST, Untrusted};
pub use trust_record::{RecordedEvidence, RecordedPolicy, recorded_evidence};
pub use usage::{CodeCount, Percentiles, Usage, Used};

/// The crates that this one is made of, and those whose types stand in its signatures: whatever has no name here has one
/// there.
pub mod parts {
    pub use {jiff, uuid};
    pub use {
        portcullis_attest as attest, portcullis_engine as engine, portcullis_gate as gate, portcullis_ledger as ledger,
    };
}

/// The host's clock, as requests carry it.
#[must_use]
pub fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
