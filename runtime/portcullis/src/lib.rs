//! What a platform embeds: open a policy set, decide requests, and the doors that turn foreign payloads into requests.
//!
//! What it refuses to do: answer with anything but a [`Decision`]; let a decision that does not proceed give a
//! [`Permission`].
//!
//! ```no_run
//! use portcullis::{DecideOptions, Engine, EngineOptions, PolicySet, Request};
//!
//! # fn deploy(_: portcullis::Permission<'_>) {}
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::new(&EngineOptions::default())?;
//! let policies = PolicySet::open("policies".as_ref(), &engine)?;
//! let request = Request::parse(
//!     br#"{"subject": {"type": "user", "id": "alice"}, "action": {"name": "deploy"},
//!          "resource": {"type": "service", "id": "payment-api"}, "context": {"environment": "staging"}}"#,
//!     portcullis::now(),
//! )?;
//! let decision = policies.decide(&request, &DecideOptions::default());
//! match decision.permission() {
//!     Some(permission) => deploy(permission),
//!     None => println!("{}: {:?}", decision.outcome(), decision.requirements()),
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
mod past;
mod policy_set;
mod record;
mod replay;

pub use backtest::{Backtest, Compared, Transition, compare};
pub use decide::DecideOptions;
pub use gate::{DecideError, Gate, GateError, GateOptions, LEDGER_UNAVAILABLE, Stopped};
pub use history::HistorySource;
pub use policy_set::{LOCK_FILE, Locked, MANIFEST_FILE, NotLoaded, PolicySet, ReadFiles, SetError, SetFiles};
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
