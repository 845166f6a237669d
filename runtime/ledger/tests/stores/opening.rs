//! What opens, what is refused, and who may write.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portcullis_ledger::store::sqlite::{Sqlite, SqliteReaders, WriterLock};
use portcullis_ledger::store::{Listen, OpenReader, ReadStore};
use portcullis_ledger::{Appended, Checkpoint, Ledger, LedgerOptions, Reader, StoreError};

use crate::sample::decision;

fn open(path: &Path) -> Result<Ledger, StoreError> {
    Ledger::open(path, &LedgerOptions::default())
}

fn fill(path: &Path, from: u64, count: u64) {
    let ledger = open(path).unwrap();
    for n in from..from + count {
        match ledger.append(decision(n)).unwrap() {
            Appended::Committed(commit) => assert_eq!(commit.index, n),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn is_made_on_first_use_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    fill(&path, 0, 3);
    let mut names: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
            entry.file_name().into_string().unwrap()
        })
        .collect();
    names.sort();
    assert_eq!(names, ["log", "log.checkpoint", "log.key", "log.lock"], "a closed ledger leaves no WAL");
    let ledger = open(&path).unwrap();
    let reader = ledger.reader().unwrap();
    assert_eq!(reader.size().unwrap(), 3);
    let copy = std::fs::read_to_string(folder.path().join("log.checkpoint")).unwrap();
    let copy = Checkpoint::open(&copy, ledger.verifier_key()).unwrap();
    assert_eq!(copy.size(), 3);
    let (index, leaf) = reader.find(decision(1).event.id).unwrap().unwrap();
    assert_eq!((index, leaf), (1, decision(1).event.leaf));
    assert_eq!(reader.blob(&crate::sample::module().sha256()).unwrap().unwrap(), crate::sample::module().bytes());
}

#[test]
fn a_second_writer_is_refused_and_a_reader_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let first = open(&path).unwrap();
    let options = LedgerOptions { lock_wait: Duration::from_millis(30), ..LedgerOptions::default() };
    match Ledger::open(&path, &options) {
        Err(StoreError::Locked { path, waited_ms: 30 }) => assert!(path.ends_with("log.lock")),
        other => panic!("{:?}", other.err()),
    }
    let reader = Reader::open(&path).unwrap();
    first.append(decision(0)).unwrap();
    assert_eq!(reader.size().unwrap(), 1);
    let waiting = LedgerOptions { lock_wait: Duration::from_secs(20), ..LedgerOptions::default() };
    std::thread::scope(|scope| {
        let second = scope.spawn(|| Ledger::open(&path, &waiting).map(|ledger| ledger.origin().to_owned()));
        std::thread::sleep(Duration::from_millis(50));
        drop(first);
        second.join().unwrap().unwrap();
    });
}

#[test]
fn foreign_older_and_newer_databases_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign");
    let db = rusqlite::Connection::open(&foreign).unwrap();
    db.execute_batch("CREATE TABLE t(x)").unwrap();
    drop(db);
    match open(&foreign) {
        Err(StoreError::Foreign { found: 0, .. }) => {}
        other => panic!("{:?}", other.err()),
    }
    let path = folder.path().join("log");
    fill(&path, 0, 1);
    for version in [0, 2] {
        rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", version).unwrap();
        match open(&path) {
            Err(error @ StoreError::Version { found, expected: 1, .. }) if found == version => {
                let text = error.to_string();
                assert!(text.contains(&format!("format {version}")) && text.contains("format 1"), "{text}");
            }
            other => panic!("{:?}", other.err()),
        }
    }
    let text = folder.path().join("text");
    std::fs::write(&text, "not a database, but long enough to be looked at as one").unwrap();
    let error = open(&text).err().unwrap();
    assert!(matches!(&error, StoreError::File { path, .. } if *path == text), "{error}");
}

/// A path that was mistyped: a request, another program's database. Nothing is made beside it, by who writes or verifies.
#[test]
fn nothing_is_made_beside_what_is_no_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("request.json"), "{}").unwrap();
    std::fs::write(at("short"), "SQLite format 3\0").unwrap();
    for (name, id) in [("other", 0), ("numbered", 7)] {
        let db = rusqlite::Connection::open(at(name)).unwrap();
        db.execute_batch(&format!("CREATE TABLE t(x); PRAGMA application_id = {id}")).unwrap();
    }
    let names = || std::fs::read_dir(folder.path()).unwrap().count();
    for name in ["request.json", "other", "numbered"] {
        let before = std::fs::read(at(name)).unwrap();
        let error = open(&at(name)).err().unwrap();
        assert!(error.to_string().contains("not a Portcullis ledger"), "{error}");
        assert!(portcullis_ledger::verify_file(&at(name), &[], None).is_err(), "{name}");
        assert_eq!((std::fs::read(at(name)).unwrap(), names()), (before, 4), "{name}");
    }
    assert!(open(&at("short")).is_err());
    // An empty database is as good as none.
    drop(
        rusqlite::Connection::open(at("empty"))
            .unwrap()
            .execute_batch("PRAGMA user_version = 1; PRAGMA user_version = 0"),
    );
    assert!(std::fs::metadata(at("empty")).unwrap().len() > 0);
    fill(&at("empty"), 0, 1);
}

#[test]
fn an_old_copy_of_the_database_does_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    fill(&path, 0, 5);
    std::fs::copy(&path, folder.path().join("old")).unwrap();
    fill(&path, 5, 2);
    std::fs::copy(folder.path().join("old"), &path).unwrap();
    match open(&path) {
        Err(StoreError::Behind { copy: 7, size: 5, .. }) => {}
        other => panic!("{:?}", other.err()),
    }
    std::fs::remove_file(&path).unwrap();
    match open(&path) {
        Err(StoreError::Behind { copy: 7, size: 0, .. }) => {}
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn another_history_does_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    open(&path).unwrap();
    for file in ["log", "log.checkpoint", "log.key"] {
        std::fs::copy(folder.path().join(file), folder.path().join(format!("fork-{file}"))).unwrap();
    }
    fill(&path, 0, 5);
    // The same key, other events, and more of them.
    let fork = folder.path().join("fork");
    for file in ["", ".checkpoint", ".key"] {
        let from = folder.path().join(format!("fork-log{file}"));
        std::fs::rename(from, folder.path().join(format!("fork{file}"))).unwrap();
    }
    let ledger = open(&fork).unwrap();
    (10..20).for_each(|n| drop(ledger.append(decision(n)).unwrap()));
    drop(ledger);
    std::fs::copy(&fork, &path).unwrap();
    match open(&path) {
        Err(StoreError::NotPrefix { size: 5, .. }) => {}
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn a_missing_copy_a_foreign_copy_and_another_key_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let copy = folder.path().join("log.checkpoint");
    fill(&path, 0, 2);
    let note = std::fs::read_to_string(&copy).unwrap();

    std::fs::remove_file(&copy).unwrap();
    assert!(matches!(open(&path), Err(StoreError::CopyMissing { size: 2, .. })));
    Ledger::open(&path, &LedgerOptions { add_copies: true, ..LedgerOptions::default() }).unwrap();
    assert_eq!(std::fs::read_to_string(&copy).unwrap(), note);

    std::fs::write(&copy, note.replace("\n2\n", "\n1\n")).unwrap();
    assert!(matches!(open(&path), Err(StoreError::File { .. })), "the signature is wrong");
    std::fs::write(&copy, &note).unwrap();

    let other = folder.path().join("other");
    open(&other).unwrap();
    std::fs::copy(folder.path().join("other.key"), folder.path().join("log.key")).unwrap();
    assert!(matches!(open(&path), Err(StoreError::WrongKey { .. })));
    std::fs::remove_file(folder.path().join("log.key")).unwrap();
    assert!(matches!(open(&path), Err(StoreError::File { .. })), "a lost key is not replaced by another");
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    fill(&path, 0, 1);
    let key = folder.path().join("log.key");
    for mode in [0o640, 0o604, 0o620, 0o601] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        let error = open(&path).err().unwrap().to_string();
        assert!(error.contains(&format!("mode {mode:03o}")) && error.contains("chmod 600"), "{error}");
        assert!(portcullis_ledger::read_signing_key(&key).is_err());
    }
    for mode in [0o600, 0o400] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        open(&path).unwrap();
    }
}

/// Nobody can listen. What it opened is tended and read, until it is dropped.
struct Deaf(SqliteReaders);

impl OpenReader for Deaf {
    fn open_reader(&self) -> Result<Box<dyn ReadStore>, StoreError> {
        self.0.open_reader()
    }

    fn listen(&self) -> Result<Option<Box<dyn Listen>>, StoreError> {
        Err(StoreError::Database { phase: "listening", message: "nobody hears".to_owned() })
    }

    fn tend(&self) -> Result<(), StoreError> {
        self.0.tend()
    }

    fn prepare_scrub(&self) -> Result<(), StoreError> {
        self.0.prepare_scrub()
    }
}

#[test]
fn a_ledger_that_does_not_open_leaves_no_thread_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    fill(&path, 0, 3);
    let file = |suffix: &str| folder.path().join(format!("log.{suffix}"));
    let store = Sqlite::open(&path, WriterLock::take(&path, Duration::ZERO).unwrap()).unwrap();
    let readers = Arc::new(Deaf(SqliteReaders::new(path.clone())));
    let copies = vec![file("checkpoint")];
    let options = LedgerOptions::default();
    let started = Ledger::start(Box::new(store), Arc::clone(&readers) as _, &file("key"), copies, &options);
    assert!(started.is_err());
    assert_eq!(Arc::strong_count(&readers), 1, "a thread still tends the store");
    Ledger::open(&path, &LedgerOptions { lock_wait: Duration::ZERO, ..options }).unwrap();
}
