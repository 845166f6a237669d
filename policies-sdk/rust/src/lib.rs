//! Policies for Portcullis in Rust.
//!
//! A policy is a function from its settings and a few request fields to findings. This crate turns it into a
//! WebAssembly component of the world in `wit/policy.wit`; `portcullis policy build` builds it, small and fast, with no
//! further configuration.
//!
//! ```
//! use portcullis_policy::prelude::*;
//!
//! /// Which environments may be deployed to.
//! #[derive(Settings)]
//! struct Settings {
//!     /// Environments, by name.
//!     #[setting(default = ["staging"])]
//!     allowed: Vec<String>,
//! }
//!
//! #[derive(Inputs)]
//! struct Inputs {
//!     #[input("/context/environment")]
//!     environment: Option<String>,
//! }
//!
//! #[policy(
//!     name = "acme.environment",
//!     summary = "Only the listed environments may be deployed to.",
//!     codes(
//!         ALLOWED = "acme.environment.allowed": "The environment is in the list.",
//!         NOT_ALLOWED = "acme.environment.not-allowed": "The environment is not in the list.",
//!         UNKNOWN = "acme.environment.unknown": "The request does not say which environment.",
//!     )
//! )]
//! fn evaluate(settings: &Settings, input: &Inputs) -> Finding {
//!     match &input.environment {
//!         Some(name) if settings.allowed.contains(name) => allow(ALLOWED, format!("{name} may be deployed to")),
//!         Some(name) => deny(NOT_ALLOWED, format!("{name} may not be deployed to")).at("/context/environment"),
//!         None => defer(UNKNOWN, "say which environment").provide("/context/environment"),
//!     }
//! }
//!
//! # fn main() {
//! // Unit tests run natively:
//! use portcullis_policy::test::Case;
//!
//! let answer = Case::of::<Policy>().context(r#"{"environment": "production"}"#).run();
//! assert_eq!(answer.outcome(), Some(Outcome::Deny));
//! assert_eq!(answer.codes(), ["acme.environment.not-allowed"]);
//! # }
//! ```
//!
//! # What it refuses
//! Nothing that varies reaches a policy but its inputs: no clock, no randomness, no WASI. A request field of an
//! unexpected type is a fault, never an absence ([`Field`] lets a policy deal with it). Settings with anything unknown,
//! missing or out of range are refused at load, every problem with its JSON pointer.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

// The macros name this crate from outside.
extern crate self as portcullis_policy;

mod answer;
mod history;
mod imports;
mod inputs;
pub mod json;
mod outcome;
mod policy;
#[doc(hidden)]
pub mod schema;
mod text;
pub mod time;

#[doc(hidden)]
#[rustfmt::skip]
#[allow(missing_docs, unsafe_code, clippy::all, clippy::panic, clippy::unwrap_used, clippy::unreachable,
    clippy::allow_attributes_without_reason, reason = "generated")]
pub mod bindings;

#[doc(hidden)]
#[cfg(target_arch = "wasm32")]
pub mod guest;

#[cfg(not(target_arch = "wasm32"))]
pub mod test;

pub use answer::{IntoAnswer, Params, abstain, acknowledge, allow, defer, deny, escalate, say, warn};
pub use bindings::portcullis::policy::types::{
    Answer, Approval, Finding, Obligation, Outcome, Problem, Requirement, Value, Verdict,
};
pub use history::{Past, Query, history};
pub use imports::{Code, Data, data, log, request};
pub use inputs::{Field, Fields, Inputs, NamesInputs, Values};
pub use json::{FromJson, Json, Scalar};
pub use policy::{Configured, NoSettings, Policy, Prepared};
pub use portcullis_policy_macros::{FromJson, Inputs, Settings, policy};
pub use text::quote;

/// What a policy needs.
pub mod prelude {
    pub use crate::{
        Answer, Code, Data, Field, Fields, Finding, FromJson, Json, NamesInputs, NoSettings, Outcome, Params, Past,
        Prepared, Problem, Query, Requirement, Scalar, Value, Verdict, abstain, acknowledge, allow, data, defer, deny,
        escalate, history, log, quote, request, say, warn,
    };
    pub use portcullis_policy_macros::{Inputs, Settings, policy};
}
