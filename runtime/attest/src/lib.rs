//! Who signed a module, and who reviewed it: evidence that others can check with tools of their own.
//!
//! Evidence is a [sigstore bundle](https://docs.sigstore.dev/about/bundle/) v0.3 with a hint at a public key, around a
//! [DSSE](https://github.com/secure-systems-lab/dsse) envelope of an
//! [in-toto statement](https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md) about the sha256 of a
//! module's bytes, signed with Ed25519. What it does: makes and reads such bundles, verifies them with keys that are
//! known already, and judges whether a module has what a policy set's trust rules ask for. What it refuses to do: I/O,
//! clocks, randomness; certificates, transparency logs and timestamps (they are read over, and count for nothing).

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

pub mod base64;
mod bundle;
mod dsse;
mod evidence;
mod judge;
mod key;
mod statement;

pub use bundle::{Bundle, MAX_BUNDLE_BYTES};
pub use dsse::{Envelope, IN_TOTO, Signature, pre_authentication_encoding};
pub use evidence::{Claim, Evidence, EvidenceError, Kind};
pub use judge::{NamedKey, Needed, Unmet, judge};
pub use key::PrivateKey;
pub use statement::{
    Descriptor, MAX_NOTE_BYTES, MAX_REVIEWER_BYTES, REVIEW_PREDICATE, Review, SIGNATURE_PREDICATE, STATEMENT,
    Statement, review_statement, signature_statement,
};
