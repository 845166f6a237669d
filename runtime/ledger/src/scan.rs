//! Every decision of a log, from the events themselves and not from the index by which decisions are found.
//!
//! The index is a table beside the tree: nothing signs it. Whoever reports on all decisions takes them from here, where a
//! row that is missing, added or changed is an error.

use std::ops::Range;

use jiff::Timestamp;
use uuid::Uuid;

use crate::chain::KeyChain;
use crate::event::{Body, Event};
use crate::reader::Reader;
use crate::store::{EventRow, ReadStore};
use crate::store_error::StoreError;
use crate::tree::{Edge, leaf_hash};

/// A decision of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedDecision {
    /// Its event's index.
    pub index: u64,
    /// Its id.
    pub id: Uuid,
    /// The host's clock as the policies saw it.
    pub now: Timestamp,
}

/// All decisions of a log at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedDecisions {
    /// How many events the log had.
    pub size: u64,
    /// Every decision among them, in order.
    pub decisions: Vec<LoggedDecision>,
}

impl LoggedDecisions {
    /// What is left from the first decision on that was made at `since` or later.
    #[must_use]
    pub fn since(mut self, since: Timestamp) -> LoggedDecisions {
        let first = self.decisions.iter().position(|one| one.now >= since).unwrap_or(self.decisions.len());
        self.decisions.drain(..first);
        self
    }
}

impl Reader {
    /// Every decision of the log. All events are read, hashed and compared with the signed checkpoint, and the index of
    /// decisions with the events.
    ///
    /// # Errors
    /// [`StoreError`]: an event is missing or is another one than what was signed, or the index of decisions does not
    /// hold exactly the log's.
    pub fn decisions(&self) -> Result<LoggedDecisions, StoreError> {
        self.with(|store| {
            store.begin_snapshot()?;
            let found = scan(store);
            store.end_snapshot()?;
            found
        })
    }

    /// Compares the index of decisions with the events of a range of indexes.
    ///
    /// # Errors
    /// [`StoreError`], which says which event the index lacks, or has too much, or describes wrongly.
    pub fn check_decisions(&self, range: Range<u64>) -> Result<(), StoreError> {
        self.with(|store| {
            store.begin_snapshot()?;
            let checked = pages(range.clone()).try_for_each(|page| read(store, page, &mut Vec::new(), |_| ()));
            store.end_snapshot()?;
            checked
        })
    }
}

fn scan(store: &mut dyn ReadStore) -> Result<LoggedDecisions, StoreError> {
    let (size, mut edge, mut decisions) = (store.size()?, Edge::new(), Vec::new());
    for page in pages(0..size) {
        read(store, page, &mut decisions, |leaf| edge.push(leaf_hash(leaf), |_, _, _| ()))?;
    }
    match store.checkpoint()? {
        None if size == 0 => {}
        None => return Err(StoreError::damaged(format!("no checkpoint is signed of its {size} events"))),
        Some(note) => {
            let chain = KeyChain::of(store)?;
            let signed = chain.open(&note).map_err(|error| StoreError::damaged(format!("the checkpoint: {error}")))?;
            if (signed.size(), signed.root()) != (edge.size(), edge.root()) {
                let problem = format!("its {size} events are not the {} that the checkpoint signs", signed.size());
                return Err(StoreError::damaged(problem));
            }
        }
    }
    Ok(LoggedDecisions { size, decisions })
}

/// Reads a range of events, of which none may be missing, and compares the index of decisions with them.
fn read(
    store: &mut dyn ReadStore,
    range: Range<u64>,
    decisions: &mut Vec<LoggedDecision>,
    mut leaf: impl FnMut(&[u8]),
) -> Result<(), StoreError> {
    let mut listed = store.decisions(range.clone())?.into_iter().peekable();
    let mut events = store.events(range.clone())?.into_iter();
    for index in range {
        let Some((_, row)) = events.next().filter(|(found, _)| *found == index) else {
            return Err(StoreError::damaged(format!("event {index} is missing")));
        };
        leaf(&row.leaf);
        let event = Event::decode(&row.leaf).map_err(|error| StoreError::damaged(format!("event {index}: {error}")))?;
        if row.id != event.id {
            return Err(StoreError::damaged(format!("event {index} is found by another id than its own")));
        }
        let listed = listed.next_if(|one| one.index == index).map(|one| one.columns);
        if let Body::Decision(body) = &event.body {
            decisions.push(LoggedDecision { index, id: event.id, now: body.now.timestamp() });
        }
        let problem = match (EventRow::of(&event, Vec::new()).columns, listed) {
            (expected, found) if expected == found => continue,
            (Some(_), None) => "is a decision that the index of decisions lacks",
            (None, _) => "is no decision, and the index of decisions has it",
            (Some(_), Some(_)) => "is a decision of which the index of decisions says something else",
        };
        return Err(StoreError::damaged(format!("event {index} {problem}")));
    }
    match listed.next() {
        Some(one) => Err(StoreError::damaged(format!("the index of decisions has event {}, which is none", one.index))),
        None => Ok(()),
    }
}

fn pages(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    const PAGE: u64 = 4096;
    let mut next = range.start;
    std::iter::from_fn(move || {
        let start = next;
        next = start.saturating_add(PAGE).min(range.end);
        (start < range.end).then_some(start..next)
    })
}
