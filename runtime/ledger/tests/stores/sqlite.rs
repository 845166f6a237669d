//! The conformance suite on SQLite, and what a full queue and a failed write do.

use std::path::PathBuf;

use portcullis_ledger::{Appended, Ledger, LedgerOptions, StoreError, Verification, default_copies, verify_file};

use crate::conformance::{Place, all};
use crate::sample::decision;

struct File {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Place for File {
    fn open(&self) -> Result<Ledger, StoreError> {
        Ledger::open(&self.path, &LedgerOptions::default())
    }

    fn verify(&self) -> Verification {
        verify_file(&self.path, &default_copies(&self.path), None).unwrap()
    }

    fn tamper(&self, statement: &str) -> u64 {
        let db = rusqlite::Connection::open(&self.path).unwrap();
        // As a ledger's own connection: nothing is left where rows were.
        db.pragma_update_and_check(None, "secure_delete", 1, |_| Ok(())).unwrap();
        let changed = db.execute(statement, []).unwrap();
        u64::try_from(changed).unwrap()
    }
}

#[test]
fn conforms() {
    all(&|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        Box::new(File { _folder: folder, path })
    });
}

#[test]
fn a_full_queue_sheds_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let options = LedgerOptions { max_queue: 2, max_batch: 1, ..LedgerOptions::default() };
    let ledger = Ledger::open(&folder.path().join("log"), &options).unwrap();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..64)
            .map(|n| {
                scope.spawn({
                    let ledger = &ledger;
                    move || ledger.append(decision(n))
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let committed = answers.iter().filter(|answer| matches!(answer, Ok(Appended::Committed(_)))).count();
    let shed = answers.iter().filter(|answer| matches!(answer, Err(StoreError::Overloaded { queued: 2 }))).count();
    assert_eq!(committed + shed, 64);
    assert!(committed >= 1 && shed >= 1, "{committed} committed, {shed} shed");
    assert_eq!(ledger.reader().unwrap().size().unwrap(), u64::try_from(committed).unwrap());
    // Shedding is no failure: the next one is taken.
    assert!(matches!(ledger.append(decision(100)), Ok(Appended::Committed(_))));
}

/// A copy that cannot be written stops the ledger: nobody could tell later that it was put back.
#[test]
fn a_copy_that_cannot_be_written_stops_the_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let away = folder.path().join("away");
    std::fs::create_dir(&away).unwrap();
    let options = LedgerOptions { copies: Some(vec![away.join("copy")]), ..LedgerOptions::default() };
    let ledger = Ledger::open(&folder.path().join("log"), &options).unwrap();
    std::fs::remove_dir_all(&away).unwrap();
    let stopped = (0..200).find_map(|n| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        ledger.append(decision(n)).err()
    });
    match stopped {
        Some(StoreError::Stopped { cause }) => assert!(cause.contains("copy"), "{cause}"),
        other => panic!("{other:?}"),
    }
    std::fs::create_dir(&away).unwrap();
    assert!(matches!(ledger.append(decision(999)), Err(StoreError::Stopped { .. })), "it stays stopped");
}
