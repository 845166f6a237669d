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

mod canonical;
mod chain;
mod checkpoint;
mod commitment;
mod dsse;
mod erase;
mod error;
mod event;
mod export;
mod files;
mod folder;
mod key;
mod log;
mod note;
mod objects;
mod outside;
mod position;
mod proof;
mod reader;
mod receipt;
mod replica;
mod rotate;
mod scan;
mod sequencer;
mod statement;
pub mod store;
mod store_error;
#[cfg(test)]
mod testing;
mod tile;
mod time;
mod tree;
mod verify;

use portcullis_attest::base64;

pub use chain::KeyChain;
pub use checkpoint::Checkpoint;
pub use commitment::{Commitment, Salt, keyed_digest};
pub use erase::ErasedBefore;
pub use error::{FormatError, VerifyError};
pub use event::{
    Body, DecisionBody, Engine, ErasedPart, ErasureReason, Event, KeyRotated, LeftOut, MAX_EVENT_BYTES,
    MAX_EVENT_TEXT_BYTES, MAX_LISTED, MAX_RESOURCE_ID_BYTES, Named, PolicyFiles, PolicyReviewed, PolicySetActivated,
    Recorded, Recording, ReplayChecked, ReplayResult, ReplayedOther, RequestErased, Resource, record,
};
pub use export::{CHECKPOINT_PATH, ExportError, KEY_PATH, verify_export, write_export};
pub use files::Files;
pub use folder::Folder;
pub use key::{MAX_KEY_NAME_BYTES, SigningKey, VerifierKey};
pub use log::{Ledger, LedgerOptions, MAX_BLOB_BYTES};
pub use note::{MAX_NOTE_BYTES, MAX_NOTE_SIGNATURES, open_note, sign_note};
pub use objects::Objects;
pub use outside::read_signing_key;
pub use portcullis_gate::Sha256;
pub use position::{node_position, nodes_of};
pub use proof::{ProofError, consistency_proof, inclusion_proof, verify_consistency, verify_inclusion};
pub use reader::{DEFAULT_READERS, Reader};
pub use receipt::{Evidence, MAX_DECISION_BYTES, MAX_RECEIPT_BYTES, Receipt, Verified};
pub use scan::{LoggedDecision, LoggedDecisions};
pub use sequencer::{Appended, Commit};
pub use statement::{DECISION_PREDICATE, SUMMARY_PREDICATE};
pub use store_error::StoreError;
pub use tile::{MAX_ENTRY_BYTES, MAX_TILED_SIZE, TILE_WIDTH, TileKind, TilePath, decode_bundle, encode_bundle};
pub use time::Time;
pub use tree::{Edge, MAX_TREE_SIZE, leaf_hash, node_hash};
pub use verify::{MAX_PROBLEMS, Pages, Problem, ProblemCode, Verification, default_copies, verify_file, verify_store};
