//! How a decision is made: a pure function over data.
//!
//! What it does: the request and its strict parsing, findings, faults, enforcement levels, the combination tree,
//! waivers, the policy set's manifest and lock, the decision. What it refuses to do: I/O, clocks, randomness, wasm.
//! Time and identifiers are arguments. The entities of a request are those of the
//! [OpenID AuthZEN Authorization API 1.0](https://openid.net/specs/authorization-api-1_0.html).

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod answer;
mod canonical;
mod combine;
mod decide;
mod decision;
mod digest;
mod document;
mod fault;
mod history;
mod key;
mod limits;
mod mask;
mod oci;
mod outcome;
pub mod pointer;
mod request;
mod set;
#[cfg(test)]
mod testing;
pub mod text;

pub use answer::{
    Answer, Faulted, Finding, MAX_CODE_BYTES, MAX_FINDINGS, MAX_KIND_BYTES, MAX_OBLIGATIONS, MAX_TEXT_BYTES,
    Obligation, Requirement, Said, Verdict, is_policy_code,
};
pub use decide::{Call, NO_POLICY_APPLIED, PolicyRun, Selection, TOO_FEW_APPLIED, decide, select};
pub use decision::{
    Decision, DecisionFinding, DecisionObligation, DecisionView, Evaluated, FaultTrace, PolicySaid, PolicyTrace,
    SetTrace, Waived, WaiverStatus, WaiverTrace,
};
pub use digest::Sha256;
pub use document::{
    Document, DocumentError, DocumentErrorKind, MAX_DEPTH, MAX_DOCUMENT_BYTES, MAX_VALUES, Pointer, RENDER_STEP_BYTES,
    Value,
};
pub use fault::{Fault, LoadFault};
pub use history::{
    HistoryAnswer, HistoryCall, HistoryQuery, HistoryUnavailable, MAX_HISTORY_MINUTES, MAX_HISTORY_QUERIES,
    MAX_HISTORY_TEXT_BYTES, PastDecision,
};
pub use key::{MAX_PUBLIC_KEY_BYTES, PublicKey};
pub use limits::{
    LIMIT_KEYS, LimitError, LimitKey, Limits, MAX_CONFIGURE_FUEL, MAX_CONFIGURE_TIME_MS, MAX_FUEL, MAX_HOST_CALL_KIB,
    MAX_HOST_CALLS, MAX_INSTANCES, MAX_LOG_KIB, MAX_MEMORY_MIB, MAX_MODULE_MIB, MAX_RESULT_KIB, MAX_TABLE_ELEMENTS,
    MAX_TIME_MS,
};
pub use mask::{MAX_MASKS, Mask, masked};
pub use oci::{MAX_REPOSITORY_BYTES, MAX_TAG_BYTES, OCI_SCHEME, OciReference, OciReferenceError, is_loopback};
pub use outcome::Outcome;
pub use request::{Request, RequestError};
pub use set::{
    Absent, DEFAULT_VALID_FOR_SECONDS, EngineIdentity, FIELD_NAMES, Field, FoundPolicy, KeySource, Lock, LockedPolicy,
    MAX_MANIFEST_BYTES, MAX_NAME_BYTES, MAX_POLICIES, MAX_TREE_DEPTH, MAX_TRUST_KEYS, MAX_TRUST_RULES,
    MAX_VALID_FOR_SECONDS, MAX_WAIVERS, Manifest, Mark, Member, Mismatch, ModulePattern, NamePattern, Node, OciPin,
    Pattern, PinnedSet, Place, PolicyPin, PolicySpec, Problem, Reviewers, Rule, SetDefinition, SetParts, Settings,
    SourceError, Trust, TrustDefault, TrustKey, TrustRule, Waiver, When, normal_module,
};
