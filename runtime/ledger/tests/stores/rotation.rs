//! Another key takes over: what was signed stays verifiable, what is forged is found, and a crash leaves a ledger that opens.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use portcullis_ledger::store::StoredPayload;
use portcullis_ledger::{
    Checkpoint, Evidence, KeyChain, Ledger, LedgerOptions, ProblemCode, Reader, Receipt, SigningKey, StoreError,
    VerifierKey, default_copies, read_signing_key, verify_file,
};
use rusqlite::Connection;

use crate::sample::{decision, id};

fn open(path: &Path) -> Result<Ledger, StoreError> {
    Ledger::open(path, &LedgerOptions::default())
}

fn append(path: &Path, from: u64, count: u64) {
    let ledger = open(path).unwrap();
    (from..from + count).for_each(|n| drop(ledger.append(decision(n)).unwrap()));
}

fn key_file(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.key", path.display()))
}

fn signing_key(path: &Path) -> SigningKey {
    read_signing_key(&key_file(path)).unwrap().unwrap()
}

fn write_key(path: &Path, text: &str) {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
}

fn problems(path: &Path, key: Option<&VerifierKey>) -> Vec<ProblemCode> {
    verify_file(path, &default_copies(path), key).unwrap().problems.into_iter().map(|problem| problem.code).collect()
}

/// A ledger of 3 decisions, a rotation, 2 decisions, a rotation, 1 decision; and its three keys.
fn rotated(folder: &Path) -> (PathBuf, [SigningKey; 3]) {
    let path = folder.join("log");
    append(&path, 0, 3);
    let first = signing_key(&path);
    let said = open(&path).unwrap().rotate_key().unwrap();
    let second = signing_key(&path);
    assert_eq!(said, *second.verifier());
    append(&path, 3, 2);
    open(&path).unwrap().rotate_key().unwrap();
    append(&path, 5, 1);
    let third = signing_key(&path);
    (path, [first, second, third])
}

fn receipt(path: &Path, n: u64) -> Receipt {
    let reader = Reader::open(path).unwrap();
    let (index, leaf) = reader.find(id(n)).unwrap().unwrap();
    let Some(StoredPayload::Present(payload)) = reader.decision_of(id(n)).unwrap() else { panic!("it is there") };
    let checkpoint = reader.with(|store| store.checkpoint()).unwrap().unwrap();
    let proof = reader.prove_inclusion(index, reader.size().unwrap()).unwrap();
    let evidence = Evidence { index, leaf, proof, checkpoint };
    Receipt::issue(&payload.bytes, &payload.salt, &evidence, &signing_key(path)).unwrap()
}

#[test]
fn every_key_of_the_chain_verifies_and_receipts_keep_verifying() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    append(&path, 0, 3);
    let first = signing_key(&path);
    let before = receipt(&path, 1);
    let derived = open(&path).unwrap().derived_key("mask");
    open(&path).unwrap().rotate_key().unwrap();
    append(&path, 3, 1);
    assert_eq!(open(&path).unwrap().derived_key("mask"), derived, "masked values keep their tokens");
    let second = signing_key(&path);
    assert_eq!(first.verifier().name(), second.verifier().name());
    assert!(before.verify(first.verifier()).is_ok());
    assert!(before.verify(second.verifier()).is_err());
    let after = receipt(&path, 1);
    assert!(after.verify(second.verifier()).is_ok());
    assert!(after.verify(first.verifier()).is_err(), "it was issued by the key that took over");

    let folder = tempfile::tempdir().unwrap();
    let (path, keys) = rotated(folder.path());
    for key in keys.iter().map(SigningKey::verifier).map(Some).chain([None]) {
        assert_eq!(problems(&path, key), [], "{key:?}");
    }
    let stranger = SigningKey::from_seed(keys[0].verifier().name(), &[3; 32]).unwrap();
    assert_eq!(problems(&path, Some(stranger.verifier())), [ProblemCode::Checkpoint]);
    let chain = Reader::open(&path).unwrap().keys().unwrap();
    assert!(chain.keys().eq(keys.iter().map(SigningKey::verifier)));
    let files =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(files.into_iter().all(|name| !name.contains("next")), "nothing is left");
    // The hand-over is signed by both, for whoever knows only one.
    let notes = Reader::open(&path).unwrap().with(|store| store.handovers()).unwrap();
    assert_eq!(notes.iter().map(|(size, _)| *size).collect::<Vec<_>>(), [4, 7]);
    for (key, note) in [(0, 0), (1, 0), (1, 1), (2, 1)] {
        assert!(Checkpoint::open(&notes[note].1, keys[key].verifier()).is_ok());
    }
}

/// As after a crash between any two steps of a rotation.
#[test]
fn a_rotation_that_did_not_end_is_ended_or_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    append(&path, 0, 2);
    let first = signing_key(&path);
    let next = folder.path().join("log.key.next");
    // Only the next key was written: it is of no use.
    let unused = SigningKey::from_seed(first.verifier().name(), &[9; 32]).unwrap();
    write_key(&next, &unused.to_secret_text());
    assert_eq!(open(&path).unwrap().verifier_key(), first.verifier());
    let old_text = std::fs::read_to_string(key_file(&path)).unwrap();
    let old_copy = std::fs::read_to_string(&default_copies(&path)[0]).unwrap();
    let second = open(&path).unwrap().rotate_key().unwrap();
    assert_ne!(second, *unused.verifier());
    // The event is durable, neither the copy nor the key's file were replaced.
    std::fs::rename(key_file(&path), &next).unwrap();
    write_key(&key_file(&path), &old_text);
    std::fs::write(&default_copies(&path)[0], old_copy).unwrap();
    assert_eq!(problems(&path, None), []);
    let ledger = open(&path).unwrap();
    assert_eq!(*ledger.verifier_key(), second);
    ledger.append(decision(2)).unwrap();
    drop(ledger);
    assert_eq!(signing_key(&path).verifier(), &second);
    assert!(!next.exists());
    assert_eq!(problems(&path, Some(first.verifier())), []);
    // The old key alone does not open it any more.
    write_key(&key_file(&path), &old_text);
    assert!(matches!(open(&path), Err(StoreError::WrongKey { .. })));
}

/// Whoever finds a key after it was handed over cannot sign what is newer, and a next key cannot sign what is older.
#[test]
fn a_key_speaks_for_its_time_only() {
    let folder = tempfile::tempdir().unwrap();
    let (path, keys) = rotated(folder.path());
    let chain = Reader::open(&path).unwrap().keys().unwrap();
    let copy = std::fs::read_to_string(&default_copies(&path)[0]).unwrap();
    let newest = Checkpoint::open(&copy, keys[2].verifier()).unwrap();
    let signed = |size, key: &SigningKey| {
        Checkpoint::new(key.verifier().name(), size, newest.root()).unwrap().sign(key).unwrap()
    };
    for (key, sizes) in keys.iter().zip([0..=4, 4..=7, 7..=u64::MAX]) {
        for size in [0, 3, 4, 5, 6, 7, 8, 100] {
            assert_eq!(chain.open(&signed(size, key)).is_ok(), sizes.contains(&size), "{size}");
        }
    }
    std::fs::write(&default_copies(&path)[0], signed(newest.size(), &keys[0])).unwrap();
    assert_eq!(problems(&path, None), [ProblemCode::Checkpoint]);
    assert!(matches!(open(&path), Err(StoreError::File { .. })));
}

/// The event, the hand-over, or both, as somebody without the key before would have to make them.
#[test]
fn a_forged_rotation_is_found_and_does_not_open() {
    type Forge = fn(&Connection, &[SigningKey; 3]);
    let forge: [(&str, Forge); 5] = [
        ("no hand-over", |db, _| {
            assert_eq!(db.execute("DELETE FROM checkpoint WHERE no = 7", []).unwrap(), 1);
        }),
        ("a hand-over without an event", |db, keys| {
            let note = Checkpoint::new(keys[2].verifier().name(), 3, portcullis_ledger::leaf_hash(b"")).unwrap();
            db.execute("INSERT INTO checkpoint(no, note) VALUES (3, ?1)", [note.sign(&keys[2]).unwrap()]).unwrap();
        }),
        ("a hand-over that only the next key signed", |db, _| {
            let note: String = db.query_row("SELECT note FROM checkpoint WHERE no = 7", [], |row| row.get(0)).unwrap();
            let (text, signatures) = note.rsplit_once("\n\n").unwrap();
            let (_, next) = signatures.split_once('\n').unwrap();
            db.execute("UPDATE checkpoint SET note = ?1 WHERE no = 7", [format!("{text}\n\n{next}")]).unwrap();
        }),
        ("a hand-over that only the key before signed", |db, _| {
            let note: String = db.query_row("SELECT note FROM checkpoint WHERE no = 7", [], |row| row.get(0)).unwrap();
            let (text, signatures) = note.rsplit_once("\n\n").unwrap();
            let (before, _) = signatures.split_once('\n').unwrap();
            db.execute("UPDATE checkpoint SET note = ?1 WHERE no = 7", [format!("{text}\n\n{before}\n")]).unwrap();
        }),
        ("another first key", |db, keys| {
            let other = SigningKey::from_seed(keys[0].verifier().name(), &[4; 32]).unwrap();
            db.execute("UPDATE meta SET value = ?1 WHERE no = 2", [other.verifier().to_string()]).unwrap();
        }),
    ];
    for (what, forge) in forge {
        let folder = tempfile::tempdir().unwrap();
        let (path, keys) = rotated(folder.path());
        let db = Connection::open(&path).unwrap();
        forge(&db, &keys);
        drop(db);
        assert!(problems(&path, None).contains(&ProblemCode::Checkpoint), "{what}");
        assert!(matches!(open(&path), Err(StoreError::Damaged { .. })), "{what}");
        assert!(Reader::open(&path).unwrap().with(|store| KeyChain::of(store)).is_err(), "{what}");
    }
}

#[test]
fn a_rotation_is_appended_by_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = rotated(folder.path());
    let ledger = open(&path).unwrap();
    let event = ledger.reader().unwrap().events(3..4).unwrap().remove(0).1;
    let event = portcullis_ledger::Event::decode(&event.leaf).unwrap();
    let entry = portcullis_ledger::store::Entry::new(&event).unwrap();
    assert!(matches!(ledger.append(entry), Err(StoreError::Refused { .. })));
}
