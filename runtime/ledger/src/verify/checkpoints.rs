//! What must be signed, and what is signed against the tree.

use super::{Collected, ProblemCode};
use crate::store::ReadStore;
use crate::{Checkpoint, Edge, KeyChain, VerifierKey};

/// The checkpoint that is stored with the events, and that must speak of all of them; a ledger without events has none. It
/// is written in the transaction of the events that it signs, so what it does not speak of was not written by a ledger.
pub(crate) fn stored_checkpoint(note: Option<&str>, chain: &KeyChain, size: u64) -> Result<Option<Checkpoint>, String> {
    let Some(note) = note else {
        return if size == 0 { Ok(None) } else { Err(format!("there is none, but there are {size} events")) };
    };
    let signed = chain.open(note).map_err(|error| error.to_string())?;
    if signed.size() == size && size > 0 {
        return Ok(Some(signed));
    }
    Err(format!("signed for {} events, but there are {size}", signed.size()))
}

/// The checkpoints that are properly signed, each with where it is kept, the smallest first.
#[derive(Default)]
pub(super) struct Signed {
    all: Vec<(String, Checkpoint)>,
    compared: usize,
}

impl Signed {
    /// Opens the notes, and says which are not properly signed or of a larger ledger.
    pub(super) fn of(
        store: &mut dyn ReadStore,
        copies: &[(String, String)],
        key: Option<&VerifierKey>,
        size: u64,
        all: &mut Collected<'_>,
    ) -> Signed {
        let identity = match store.identity() {
            Ok(identity) => identity,
            Err(error) => {
                all.add(ProblemCode::Unreadable, "meta", error.to_string());
                return Signed::default();
            }
        };
        let chain = match KeyChain::of(store) {
            Ok(chain) => chain,
            Err(error) => {
                all.add(ProblemCode::Checkpoint, "the keys", error.to_string());
                return Signed::default();
            }
        };
        // Whoever trusts one of the keys can check all of them: both sign a hand-over.
        if let Some(key) = key
            && !chain.keys().any(|found| found == key)
        {
            let found = chain.current();
            let detail = format!("the ledger says {} with the key {found}, expected is {key}", identity.origin);
            all.add(ProblemCode::Checkpoint, "the ledger's key", detail);
        }
        let mut found = Vec::new();
        let stored = all.read(STORED, store.checkpoint());
        match stored_checkpoint(stored.as_deref(), &chain, size) {
            Ok(signed) => found.extend(signed.map(|signed| (STORED.to_owned(), signed))),
            Err(problem) => all.add(ProblemCode::Checkpoint, STORED, problem),
        }
        for (at, note) in copies {
            match chain.open(note) {
                Ok(signed) if signed.size() > size => {
                    let detail = format!("signed for {} events, but there are {size}", signed.size());
                    all.add(ProblemCode::Checkpoint, at, detail);
                }
                Ok(signed) => found.push((at.clone(), signed)),
                Err(error) => all.add(ProblemCode::Checkpoint, at, error.to_string()),
            }
        }
        found.sort_by_key(|(_, signed)| signed.size());
        Signed { all: found, compared: 0 }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    /// Compares what is signed for as many events as the tree has so far. Called at every size, from none on.
    pub(super) fn compare(&mut self, edge: &Edge, all: &mut Collected<'_>) {
        while let Some((at, signed)) = self.all.get(self.compared).filter(|(_, next)| next.size() == edge.size()) {
            if signed.root() != edge.root() {
                let detail = format!("signed is {}, the events give {}", signed.root(), edge.root());
                all.add(ProblemCode::Checkpoint, at, detail);
            }
            self.compared += 1;
        }
    }

    /// Says what could not be compared, because events before it are missing.
    pub(super) fn end(&self, all: &mut Collected<'_>) {
        for (at, signed) in self.all.iter().skip(self.compared) {
            all.add(ProblemCode::Checkpoint, at, format!("the tree of its {} events cannot be made", signed.size()));
        }
    }
}

const STORED: &str = "the stored checkpoint";
