//! Why there is no gate, no decision, no effect.

use portcullis_engine::EngineError;
use portcullis_gate::RequestError;
use portcullis_ledger::{FormatError, StoreError};

use super::MAX_TRIES;
use crate::{Recorded, SetError};

/// Why a gate was not opened. Without a gate there is no [`Permission`](crate::Permission), so nothing proceeds.
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
    /// The policy set's files are too much for one entry of the ledger.
    #[error("the policy set's files have {bytes} bytes, at most {limit} are recorded")]
    TooLarge {
        /// Their bytes, each file counted once.
        bytes: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The policy set's files do not fit into an event.
    #[error("the policy set cannot be recorded: {0}")]
    Format(#[from] FormatError),
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

/// Why [`Gate::guard`](crate::Gate::guard) did not run the effect.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The decision does not proceed.
    #[error("{}", .0.outcome())]
    Decided(Box<Recorded>),
    /// There is no decision.
    #[error(transparent)]
    Undecided(#[from] DecideError),
}
