//! The ledger: what was decided, provably, and again.
//!
//! The formats are pure functions over bytes: events in canonical JSON
//! ([RFC 8785](https://www.rfc-editor.org/rfc/rfc8785), no floats), the Merkle tree of
//! [RFC 6962](https://www.rfc-editor.org/rfc/rfc6962#section-2.1) and its proofs, checkpoints as
//! [signed notes](https://c2sp.org/signed-note) in the form of [tlog-checkpoint](https://c2sp.org/tlog-checkpoint),
//! exports in the layout of [tlog-tiles](https://c2sp.org/tlog-tiles), receipts as
//! [DSSE](https://github.com/secure-systems-lab/dsse) over [in-toto](https://in-toto.io) statements.
//!
//! What the formats refuse to do: I/O, clocks, randomness. Times, ids, salts and seeds are arguments.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod base64;
mod checkpoint;
mod error;
mod key;
mod note;
mod proof;
mod tree;

pub use checkpoint::Checkpoint;
pub use error::{FormatError, VerifyError};
pub use key::{MAX_KEY_NAME_BYTES, SigningKey, VerifierKey};
pub use note::{MAX_NOTE_BYTES, MAX_NOTE_SIGNATURES, open_note, sign_note};
pub use portcullis_gate::Sha256;
pub use proof::{ProofError, consistency_proof, inclusion_proof, verify_consistency, verify_inclusion};
pub use tree::{Edge, MAX_TREE_SIZE, leaf_hash, node_hash};
