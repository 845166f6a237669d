//! Verifies a whole ledger: everything that is stored, against the events, and the events against the tree.
//!
//! What is wrong is data: a list of problems with codes and places. Nothing is trusted but the verifier key: every hash is
//! computed again, and every table that could be rebuilt from the events is compared with them, row by row.

pub(crate) mod checkpoints;
mod file;
mod judge;
mod walk;

use std::path::PathBuf;

pub use file::{default_copies, verify_file};

use crate::store::ReadStore;
use crate::store::sqlite::{Account, PageReport};
use crate::store_error::StoreError;
use crate::{Edge, Sha256, VerifierKey, outside};
use walk::Walk;

/// Problems that are listed; the rest is counted.
pub const MAX_PROBLEMS: usize = 1000;

/// What [`verify_file`] and [`verify_store`] found.
#[derive(Clone, Debug)]
pub struct Verification {
    /// Events in the ledger.
    pub size: u64,
    /// The root of their tree, computed from the events.
    pub root: Sha256,
    /// What is wrong; empty where nothing is.
    pub problems: Vec<Problem>,
    /// How many problems are not listed.
    pub problems_left_out: u64,
    /// Signed checkpoints that were compared.
    pub checkpoints: u64,
    /// Payloads that are erased, each by an event that says so.
    pub erased: u64,
    /// Whether the file's pages were accounted for, and why not.
    pub pages: Pages,
}

impl Verification {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Whether every byte of the file was accounted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pages {
    /// Yes.
    Checked {
        /// Bytes that nothing reads, left where SQLite split pages; not accounted for.
        remnant_bytes: u64,
    },
    /// No: a writer has the file, it was not closed cleanly, or it is no file.
    NotChecked {
        /// Which.
        reason: String,
    },
}

/// Something wrong in a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind.
    pub code: ProblemCode,
    /// Where: an event, a node, a page, a file.
    pub at: String,
    /// What exactly.
    pub detail: String,
}

/// Kinds of problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemCode {
    /// Something could not be read as what it should be.
    Unreadable,
    /// An event is missing between others, or there is one too many.
    Gap,
    /// An event's bytes are not canonical or not an event.
    Event,
    /// A table that repeats the events says something else.
    Index,
    /// A node of the tree is not the hash of what is below it.
    Node,
    /// A signed checkpoint is not of a prefix of the ledger, or not properly signed.
    Checkpoint,
    /// A blob's bytes do not have its digest.
    Blob,
    /// Bytes that an event names are not stored.
    Missing,
    /// A request or a decision is not what its event commits to.
    Payload,
    /// Something is erased without an event that says so, or not erased although an event says so.
    Erasure,
    /// The database's own structure.
    Structure,
    /// Bytes of the file that belong to nothing.
    Page,
}

/// Verifies what a store says, in one snapshot.
///
/// # Errors
/// [`StoreError`] where no snapshot can be had.
pub fn verify_store(
    store: &mut dyn ReadStore,
    copies: &[PathBuf],
    key: Option<&VerifierKey>,
) -> Result<Verification, StoreError> {
    verify(store, None, copies, key).map(|(found, _)| found)
}

/// Verifies what a store says. The rows that hold the events are taken from the account of its file, where there is one.
fn verify(
    store: &mut dyn ReadStore,
    account: Option<Account>,
    copies: &[PathBuf],
    key: Option<&VerifierKey>,
) -> Result<(Verification, PageReport), StoreError> {
    let mut found = Verification {
        size: 0,
        root: Edge::new().root(),
        problems: Vec::new(),
        problems_left_out: 0,
        checkpoints: 0,
        erased: 0,
        pages: Pages::NotChecked { reason: "it is no file".to_owned() },
    };
    // Copies are read first: the store only grows, so it must continue each of them.
    let mut notes = Vec::new();
    let mut all = Collected::of(&mut found);
    for copy in copies {
        match outside::read_copy(copy) {
            Ok(Some(note)) => notes.push((copy.display().to_string(), note)),
            Ok(None) => all.add(ProblemCode::Checkpoint, copy.display(), "the copy is missing"),
            Err(error) => all.add(ProblemCode::Unreadable, copy.display(), error.to_string()),
        }
    }
    store.begin_snapshot()?;
    let report = Walk::new(store, account, all).run(&notes, key);
    if let Err(error) = store.end_snapshot() {
        Collected::of(&mut found).add(ProblemCode::Unreadable, "the ledger", error.to_string());
    }
    Ok((found, report))
}

struct Collected<'f>(&'f mut Verification);

impl<'f> Collected<'f> {
    fn of(found: &'f mut Verification) -> Collected<'f> {
        Collected(found)
    }

    fn add(&mut self, code: ProblemCode, at: impl std::fmt::Display, detail: impl Into<String>) {
        if self.0.problems.len() < MAX_PROBLEMS {
            self.0.problems.push(Problem { code, at: at.to_string(), detail: detail.into() });
        } else {
            self.0.problems_left_out += 1;
        }
    }

    /// What was read, or nothing and a problem.
    fn read<T: Default>(&mut self, at: impl std::fmt::Display, result: Result<T, StoreError>) -> T {
        result.unwrap_or_else(|error| {
            self.add(ProblemCode::Unreadable, at, error.to_string());
            T::default()
        })
    }
}
