//! Blobs and tiles in a folder and in object stores that others wrote.

use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use portcullis_ledger::{Files, Folder, Ledger, LedgerOptions, Objects, Reader, Sha256, StoreError, verify_export};

use crate::sample::decision;

/// In a folder, in memory, and in a folder as `object_store` keeps one.
fn everywhere(check: impl Fn(&dyn Files)) {
    let there = tempfile::tempdir().unwrap();
    check(&Folder::open(&there.path().join("a/b")).unwrap());
    check(&Objects::new(Arc::new(InMemory::new()), "").unwrap());
    check(&Objects::new(Arc::new(InMemory::new()), "logs/production/").unwrap());
    let local = LocalFileSystem::new_with_prefix(there.path()).unwrap();
    check(&Objects::new(Arc::new(local), "objects").unwrap());
}

#[test]
fn a_file_is_written_once() {
    everywhere(written_once);
}

fn written_once(folder: &dyn Files) {
    assert!(folder.put("tile/0/000", b"one").unwrap());
    assert!(!folder.put("tile/0/000", b"one").unwrap());
    assert!(matches!(folder.put("tile/0/000", b"two"), Err(StoreError::File { .. })));
    assert_eq!(folder.get("tile/0/000").unwrap().unwrap(), b"one");
    assert_eq!(folder.get("tile/0/001").unwrap(), None);
    folder.replace("checkpoint", b"1").unwrap();
    folder.replace("checkpoint", b"2").unwrap();
    assert_eq!(folder.get("checkpoint").unwrap().unwrap(), b"2");
    assert!(folder.put_blob(b"module").unwrap());
    assert!(!folder.put_blob(b"module").unwrap());
    assert_eq!(folder.blob(&Sha256::of(b"module")).unwrap().unwrap(), b"module");
    assert_eq!(folder.blob(&Sha256::of(b"other")).unwrap(), None);
    for name in ["../x", "/x", "a/../x", "", "a//b", ".x", "a/."] {
        assert!(matches!(folder.put(name, b""), Err(StoreError::File { .. })), "{name:?}");
    }
}

#[test]
fn a_blob_with_other_bytes_is_refused() {
    let there = tempfile::tempdir().unwrap();
    let folder = Folder::open(there.path()).unwrap();
    folder.put_blob(b"module").unwrap();
    let digest = Sha256::of(b"module");
    let digits = digest.to_string();
    std::fs::write(there.path().join("blob").join(&digits[..2]).join(&digits[2..]), b"modulo").unwrap();
    assert!(matches!(folder.blob(&digest), Err(StoreError::Damaged { .. })));
}

/// Two that write into one folder, as two processes with the same number in two containers do.
#[test]
fn two_writers_of_one_folder_do_not_mix() {
    let there = tempfile::tempdir().unwrap();
    let barrier = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        for writer in 0..2u8 {
            let (there, barrier) = (there.path(), &barrier);
            scope.spawn(move || {
                let folder = Folder::open(there).unwrap();
                barrier.wait();
                for n in 0..100u8 {
                    let bytes = [vec![writer, n], vec![writer; 20_000]].concat();
                    assert!(folder.put(&format!("file/{writer}-{n}"), &bytes).unwrap());
                    folder.replace("checkpoint", &bytes).unwrap();
                }
            });
        }
    });
    let folder = Folder::open(there.path()).unwrap();
    for (writer, n) in (0..2u8).flat_map(|writer| (0..100u8).map(move |n| (writer, n))) {
        let found = folder.get(&format!("file/{writer}-{n}")).unwrap().unwrap();
        assert!(found == [vec![writer, n], vec![writer; 20_000]].concat(), "{writer}-{n} holds {:?}", &found[..2]);
    }
    let last = folder.get("checkpoint").unwrap().unwrap();
    assert!(last[1] == 99 && last.len() == 20_002 && last[2..].iter().all(|byte| *byte == last[0]));
}

/// The key that verifies it is the one that signs now; another log's key is not replaced.
#[test]
fn a_log_is_exported_into_the_same_folder_after_a_rotation() {
    let there = tempfile::tempdir().unwrap();
    let folder = Folder::open(&there.path().join("out")).unwrap();
    let path = there.path().join("log");
    let export = |path: &std::path::Path| {
        let reader = Reader::open(path).unwrap();
        let (note, chain) = reader.signed().unwrap();
        folder.export(&reader, &note.unwrap(), chain.current()).map(|_| chain.current().clone())
    };
    let open = |path: &std::path::Path| Ledger::open(path, &LedgerOptions::default()).unwrap();
    open(&path).append(decision(0)).unwrap();
    let first = export(&path).unwrap();
    open(&path).rotate_key().unwrap();
    open(&path).append(decision(1)).unwrap();
    let second = export(&path).unwrap();
    assert_ne!(first, second);
    let get = |name: &str| folder.get(name).map(|found| found.unwrap_or_default());
    assert_eq!(verify_export(&second, get, |_, _| Ok::<_, StoreError>(())).unwrap().size(), 3);

    let other = there.path().join("other");
    open(&other).append(decision(0)).unwrap();
    assert!(export(&other).is_err());
    assert_eq!(get("log.vkey").unwrap(), format!("{second}\n").into_bytes());
}

/// Exported twice, at two sizes, into one folder.
#[test]
fn a_growing_log_is_exported() {
    everywhere(exported);
}

fn exported(folder: &dyn Files) {
    let there = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&there.path().join("log"), &LedgerOptions::default()).unwrap();
    for (from, to) in [(0, 3), (3, 270)] {
        (from..to).for_each(|n| drop(ledger.append(decision(n)).unwrap()));
        let note = ledger.checkpoint_of(to, std::time::Duration::from_secs(5)).unwrap();
        folder.export(ledger.reader().unwrap(), &note, ledger.verifier_key()).unwrap();
        let missing = |name: &str| StoreError::Refused { problem: name.to_owned() };
        let mut seen = 0;
        let get = |name: &str| folder.get(name)?.ok_or_else(|| missing(name));
        let opened = verify_export(ledger.verifier_key(), get, |_, _| {
            seen += 1;
            Ok(())
        });
        assert_eq!(opened.unwrap().size(), to);
        assert_eq!(seen, to);
    }
}
