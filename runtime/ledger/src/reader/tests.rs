use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;

use super::*;
use crate::store::{Idempotency, Payloads, Totals};
use crate::{Body, ErasedPart, ErasureReason, Event, Ledger, LedgerOptions, RequestErased, Time};

/// Readers of a file whose key is rotated between two questions of one of them.
struct Interrupted {
    path: PathBuf,
    rotated: Arc<AtomicBool>,
}

struct Store {
    inner: Sqlite,
    path: PathBuf,
    rotated: Arc<AtomicBool>,
}

impl OpenReader for Interrupted {
    fn open_reader(&self) -> Result<Box<dyn ReadStore>, StoreError> {
        let (path, rotated) = (self.path.clone(), Arc::clone(&self.rotated));
        Ok(Box::new(Store { inner: Sqlite::open_reader(&self.path)?, path, rotated }))
    }

    fn tend(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn prepare_scrub(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

macro_rules! passed_on {
    ($($name:ident($($argument:ident: $type:ty),*) -> $found:ty;)*) => {
        $(fn $name(&mut self, $($argument: $type),*) -> Result<$found, StoreError> {
            self.inner.$name($($argument),*)
        })*
    };
}

impl ReadStore for Store {
    fn handovers(&mut self) -> Result<Vec<(u64, String)>, StoreError> {
        if !self.rotated.swap(true, Ordering::Relaxed) {
            Ledger::open(&self.path, &LedgerOptions::default())?.rotate_key()?;
        }
        self.inner.handovers()
    }

    passed_on! {
        begin_snapshot() -> ();
        end_snapshot() -> ();
        size() -> u64;
        identity() -> Identity;
        leaf(index: u64) -> Option<Vec<u8>>;
        events(range: Range<u64>) -> Vec<(u64, EventRow)>;
        find(id: Uuid) -> Option<u64>;
        of_kind(kind: &str, before: u64, limit: u32) -> Vec<(u64, Vec<u8>)>;
        node(position: u64) -> Option<Sha256>;
        nodes(range: Range<u64>) -> Vec<(u64, Sha256)>;
        blob(sha256: &Sha256) -> Option<Vec<u8>>;
        has_blob(sha256: &Sha256) -> bool;
        blob_digests(from: u64, limit: u64) -> Vec<(u64, Sha256)>;
        payload(index: u64, role: Role) -> Option<StoredPayload>;
        payloads(range: Range<u64>, enough: u64) -> Payloads;
        idempotency(key: &Sha256) -> Option<(u64, Idempotency)>;
        idempotencies(range: Range<u64>) -> Vec<(u64, Idempotency)>;
        decisions(range: Range<u64>) -> Vec<ListedDecision>;
        list(filter: &ListFilter, limit: u32) -> Vec<ListedDecision>;
        history(query: &HistoryQuery) -> HistoryAnswer;
        erasable(before: Timestamp, from: u64, limit: u32) -> Vec<u64>;
        checkpoint() -> Option<String>;
        totals() -> Totals;
        check_itself() -> Vec<String>;
    }
}

/// Whoever reads sees a rotation as a whole or not at all.
#[test]
fn a_rotation_between_two_questions_is_no_damage() {
    type Read = fn(&Reader) -> (usize, Option<u64>);
    let reads: [(&str, Read); 2] = [
        ("keys", |reader| (reader.keys().unwrap().keys().count(), None)),
        ("signed", |reader| {
            let (note, chain) = reader.signed().unwrap();
            (chain.keys().count(), note.map(|note| chain.open(&note).unwrap().size()))
        }),
    ];
    for (what, read) in reads {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let ledger = Ledger::open(&path, &LedgerOptions::default()).unwrap();
        ledger.append(entry()).unwrap();
        drop(ledger);
        let opener = Interrupted { path, rotated: Arc::default() };
        let reader = Reader::new(Arc::new(opener), 1);
        let size = |size| (what == "signed").then_some(size);
        assert_eq!(read(&reader), (1, size(1)), "{what}");
        assert_eq!(read(&reader), (2, size(2)), "{what}");
    }
}

/// An event about a decision that is elsewhere.
fn entry() -> crate::store::Entry {
    let body = RequestErased {
        decision: crate::testing::id(1),
        index: 0,
        parts: vec![ErasedPart::Request],
        reason: ErasureReason::Operator,
        reference: None,
    };
    let time = Time::new(Timestamp::UNIX_EPOCH).unwrap();
    let event = Event { id: crate::testing::id(2), time, body: Body::RequestErased(body) };
    crate::store::Entry { erases: None, ..crate::store::Entry::new(&event).unwrap() }
}
