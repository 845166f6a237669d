//! The conformance suite on SQLite, and what a full queue and a failed write do.

use std::path::PathBuf;

use jiff::Timestamp;
use portcullis_gate::Outcome;
use portcullis_ledger::store::{HistoryAnswer, HistoryQuery, MAX_HISTORY_ROWS};
use portcullis_ledger::{Appended, Ledger, LedgerOptions, StoreError, Verification, default_copies, verify_file};

use crate::conformance::{Place, all};
use crate::sample::{EPOCH_MS, decision, moment};

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
        let changed = rusqlite::Connection::open(&self.path).unwrap().execute(statement, []).unwrap();
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

/// Asked by a policy or again by the writer, a question costs so much and no more, and its entry alone is refused.
#[test]
fn a_question_about_too_much_is_not_answered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let ledger = Ledger::open(&path, &LedgerOptions::default()).unwrap();
    (0..3).for_each(|n| drop(ledger.append(decision(n)).unwrap()));
    let as_row = |number: u64| i64::try_from(number).unwrap();
    let index = |from: u64, count: u64, action: &str| {
        let text = "WITH RECURSIVE rows(no) AS (SELECT ?1 UNION ALL SELECT no + 1 FROM rows LIMIT ?2) \
                    INSERT INTO decisions SELECT no, ?3 + no, ?4, 'service', 'service-' || (no % 5), 0 FROM rows";
        let db = rusqlite::Connection::open(&path).unwrap();
        let inserted = db.execute(text, (as_row(from), as_row(count), EPOCH_MS, action)).unwrap();
        assert_eq!(u64::try_from(inserted).unwrap(), count);
    };
    let all = HistoryQuery {
        action: None,
        resource_type: None,
        resource_id: None,
        outcomes: Vec::new(),
        since: moment(0),
        until: Timestamp::MAX,
    };
    let of_action = HistoryQuery { action: Some("busy".to_owned()), ..all.clone() };
    let outcomes = HistoryQuery { outcomes: vec![Outcome::Deny], ..of_action.clone() };
    let of_resource = HistoryQuery {
        resource_type: Some("service".to_owned()),
        resource_id: Some("service-1".to_owned()),
        ..of_action.clone()
    };
    let count = |query| ledger.reader().unwrap().history(query).map(|answer| answer.count);
    index(1000, MAX_HISTORY_ROWS, "busy");
    assert_eq!(count(&of_action).unwrap(), MAX_HISTORY_ROWS);
    assert_eq!(count(&outcomes).unwrap(), 0);
    index(1000 + MAX_HISTORY_ROWS, 1, "busy");
    for query in [&all, &of_action, &outcomes] {
        assert!(matches!(count(query), Err(StoreError::TooMuchHistory { most: MAX_HISTORY_ROWS })), "{query:?}");
    }
    assert_eq!(count(&of_resource).unwrap(), MAX_HISTORY_ROWS / 5);

    let mut entry = decision(3);
    entry.expected_history = vec![(of_action, HistoryAnswer::default())];
    assert!(matches!(ledger.append(entry), Err(StoreError::TooMuchHistory { .. })));
    assert!(matches!(ledger.append(decision(4)), Ok(Appended::Committed(commit)) if commit.index == 3));
}
