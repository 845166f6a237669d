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
mod decide;
pub mod doors;
mod gate;
mod history;
mod module_store;
mod past;
mod pinned;
mod policy_set;
mod record;
mod replay;

pub use backtest::{Backtest, Compared, Transition, compare};
pub use decide::DecideOptions;
pub use gate::{DecideError, Gate, GateError, GateOptions, LEDGER_UNAVAILABLE, Stopped};
pub use history::HistorySource;
pub use module_store::{EVIDENCE_SUFFIX, ModuleStore, ModuleStoreError, evidence_path};
pub use policy_set::{
    LOCK_FILE, Locked, LockedModule, MANIFEST_FILE, NotLoaded, PolicySet, ReadFiles, SetError, SetFiles,
};
pub use portcullis_engine::{CacheOptions, CacheUse, Engine, EngineError, EngineOptions, History, LoadError};
pub use portcullis_gate::{
    Decision, DecisionView, Fault, HistoryAnswer, HistoryCall, HistoryQuery, HistoryUnavailable, Lock, Outcome,
    PastDecision, Request, RequestError, Requirement, Sha256,
};

pub use portcullis_ledger::{Ledger, LedgerOptions, Reader, ReplayResult, StoreError};
pub use record::{Permission, Place, Recorded};
pub use replay::{ReplayError, Replayed, Replayer, Stored};

/// The host's clock, as requests carry it.
#[must_use]
pub fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
