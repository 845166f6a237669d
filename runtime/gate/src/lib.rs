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
mod digest;
mod document;
mod fault;
mod outcome;
pub mod pointer;
mod request;

pub use answer::{
    Answer, Faulted, Finding, MAX_CODE_BYTES, MAX_FINDINGS, MAX_KIND_BYTES, MAX_OBLIGATIONS, MAX_TEXT_BYTES,
    Obligation, Requirement, Said, Verdict, is_policy_code,
};
pub use digest::Sha256;
pub use document::{
    Document, DocumentError, DocumentErrorKind, MAX_DEPTH, MAX_DOCUMENT_BYTES, MAX_VALUES, Pointer, Value,
};
pub use fault::{Fault, LoadFault};
pub use outcome::Outcome;
pub use request::{Request, RequestError};
