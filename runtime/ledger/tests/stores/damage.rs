//! A damaged ledger is found out: each byte of its file, each table, each promise.

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis_gate::Outcome;
use portcullis_ledger::store::Entry;
use portcullis_ledger::{
    Body, Commitment, DecisionBody, ErasedPart, Event, Ledger, LedgerOptions, Pages, Problem, ProblemCode, Sha256,
    Time, Verification, default_copies, verify_file,
};
use rusqlite::Connection;

use crate::sample::{activation, decided, decided_about, decision, erasure, id, keyed, moment, recorded, set_of};

/// A ledger with something in every table.
pub fn write(path: &Path, decisions: u64, page_bytes: u32) {
    let options = LedgerOptions { page_bytes, ..LedgerOptions::default() };
    let ledger = Ledger::open(path, &options).unwrap();
    let append = |entry| drop(ledger.append(entry).unwrap());
    append(activation(0));
    (1..decisions).for_each(|n| append(if n % 3 == 0 { keyed(n, &format!("key {n}")) } else { decision(n) }));
    append(erasure(decisions, id(3), 3, &[ErasedPart::Request, ErasedPart::Decision]));
    append(erasure(decisions + 1, id(2), 2, &[ErasedPart::Request]));
}

fn verify(path: &Path) -> Verification {
    verify_file(path, &default_copies(path), None).unwrap()
}

fn codes(path: &Path) -> Vec<ProblemCode> {
    let mut found: Vec<ProblemCode> = verify(path).problems.into_iter().map(|problem| problem.code).collect();
    found.dedup();
    found
}

#[test]
fn sound_ledgers_of_all_sizes_are_sound() {
    let folder = tempfile::tempdir().unwrap();
    for (decisions, page_bytes) in [(4, 512), (4, 4096), (150, 512), (700, 1024), (1500, 4096), (40, 65_536)] {
        let path = folder.path().join(format!("log-{decisions}-{page_bytes}"));
        write(&path, decisions, page_bytes);
        let found = verify(&path);
        assert_eq!(found.problems, [], "{decisions} decisions, pages of {page_bytes}");
        assert_eq!(found.size, decisions + 2);
        assert_eq!(found.erased, 3);
        assert_eq!(found.checkpoints, 2);
        assert!(matches!(found.pages, Pages::Checked { .. }), "{:?}", found.pages);
        let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(!names.into_iter().any(|name| name.to_str().unwrap().ends_with("-shm")), "verifying left a file");
    }
}

/// Keys of indexes that differ in length: SQLite frees pages where it needs fewer, and uses them again.
#[test]
fn ledgers_with_freed_pages_are_sound() {
    let folder = tempfile::tempdir().unwrap();
    let set = set_of(1);
    let mut freed = Vec::new();
    for (page_bytes, seed) in (1u64..5).flat_map(|seed| [4096, 8192].map(|page_bytes| (page_bytes, seed))) {
        let path = folder.path().join(format!("log-{page_bytes}-{seed}"));
        // Any numbers that are the same each time.
        let mut state = 0x9e37_79b9_7f4a_7c15u64.wrapping_mul(seed);
        let mut any = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        // Payloads take free pages soon, so it is looked at often.
        for part in 0..60 {
            let ledger = Ledger::open(&path, &LedgerOptions { page_bytes, ..LedgerOptions::default() }).unwrap();
            for n in part * 10..part * 10 + 10 {
                let longest = if any(2) == 0 { 12 } else { 900 };
                let length = usize::try_from(1 + any(longest)).unwrap();
                let resource = format!("{:x}", any(u64::MAX >> 33)) + &"x".repeat(length);
                ledger.append(recorded(n, &decided_about(n, &resource, "deploy", &set, 10))).unwrap();
            }
            drop(ledger);
            if part == 59 || std::fs::read(&path).unwrap()[36..40] != [0; 4] {
                assert_eq!(verify(&path).problems, [], "pages of {page_bytes}, {seed}, {part}");
                freed.extend((part < 59).then_some((path, page_bytes)));
                break;
            }
        }
    }
    assert!(freed.len() > 1, "{freed:?}");
    // What is free is accounted for too.
    for (path, page_bytes) in freed {
        let sound = std::fs::read(&path).unwrap();
        let first = u32::from_be_bytes(sound[32..36].try_into().unwrap());
        let trunk = (first as usize - 1) * page_bytes as usize;
        let listed = u32::from_be_bytes(sound[trunk + 4..trunk + 8].try_into().unwrap()) as usize;
        let mut places = vec![35, 39, trunk + 3, trunk + 7];
        for at in (0..listed).map(|n| trunk + 8 + 4 * n) {
            let page = u32::from_be_bytes(sound[at..at + 4].try_into().unwrap()) as usize - 1;
            places.extend([at + 3, page * page_bytes as usize, (page + 1) * page_bytes as usize - 1]);
        }
        for at in places {
            let mut changed = sound.clone();
            changed[at] ^= 1;
            std::fs::write(&path, &changed).unwrap();
            assert_ne!(verify(&path).problems, [], "byte {at} of {}", path.display());
        }
    }
}

/// A request as long as one may be is not taken for a broken one.
#[test]
fn the_longest_request_is_sound() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let ledger = Ledger::open(&path, &LedgerOptions::default()).unwrap();
    let longest = portcullis_gate::MAX_DOCUMENT_BYTES - 1024;
    for n in 1..3 {
        ledger.append(recorded(n, &decided(n, "deploy", &set_of(1), longest))).unwrap();
    }
    drop(ledger);
    assert_eq!(verify(&path).problems, []);
}

/// Every byte of a small ledger, inverted; and one bit of each, another one in each neighbour.
#[test]
fn a_flip_of_any_byte_is_found() {
    let (length, undetected, _folder, _path) = flip_all(4096);
    assert!(undetected.is_empty(), "{} of {length} bytes: {undetected:?}", undetected.len());
}

/// With many pages for little: inner pages, overflow pages, split indexes. What is not found is where nothing reads.
#[test]
fn a_flip_is_found_wherever_anything_is_read() {
    let (length, undetected, _folder, path) = flip_all(512);
    let bytes = std::fs::read(&path).unwrap();
    let number = |at: usize| usize::from(bytes[at]) << 8 | usize::from(bytes[at + 1]);
    for (at, mask) in &undetected {
        let page = at / 512 * 512;
        let inner = matches!(bytes[page], 0x02 | 0x05);
        let pointers_end = page + if inner { 12 } else { 8 } + 2 * number(page + 3);
        let unread = pointers_end..page + number(page + 5);
        assert!(page > 0 && unread.contains(at), "byte {at} of {length}, mask {mask:#04x}");
    }
    assert!(undetected.len() < length / 10, "{} of {length}", undetected.len());
}

fn flip_all(page_bytes: u32) -> (usize, Vec<(usize, u8)>, tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    write(&path, 5, page_bytes);
    assert_eq!(codes(&path), []);
    let length = usize::try_from(std::fs::metadata(&path).unwrap().len()).unwrap();
    let next = AtomicUsize::new(0);
    let undetected = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..std::thread::available_parallelism().map_or(2, usize::from))
            .map(|n| {
                let (next, path) = (&next, &path);
                scope.spawn(move || flips(&copy_of(path, n), length, next))
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    (length, undetected, folder, path)
}

fn flips(path: &Path, length: usize, next: &AtomicUsize) -> Vec<(usize, u8)> {
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut undetected = Vec::new();
    loop {
        // Without optimization, every eleventh: the tests proper are run with it.
        let at = next.fetch_add(if cfg!(debug_assertions) { 11 } else { 1 }, Ordering::Relaxed);
        if at >= length {
            return undetected;
        }
        let offset = u64::try_from(at).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset).unwrap();
        for mask in [0xff, 1 << (at % 8)] {
            file.write_all_at(&[byte[0] ^ mask], offset).unwrap();
            // What does not open as a ledger at all is detected too.
            if verify_file(path, &default_copies(path), None).is_ok_and(|found| found.is_sound()) {
                undetected.push((at, mask));
            }
        }
        file.write_all_at(&byte, offset).unwrap();
    }
}

fn copy_of(path: &Path, n: usize) -> PathBuf {
    let copy = path.with_file_name(format!("copy-{n}"));
    for suffix in ["", ".checkpoint"] {
        let from = PathBuf::from(format!("{}{suffix}", path.display()));
        std::fs::copy(from, format!("{}{suffix}", copy.display())).unwrap();
    }
    copy
}

/// A statement that damages a ledger, and what must be said of it.
const DAMAGE: [(&str, ProblemCode); 29] = [
    (
        "UPDATE events SET leaf = CAST(replace(CAST(leaf AS TEXT), 'action-1', 'action-2') AS BLOB) WHERE no = 4",
        ProblemCode::Node,
    ),
    ("UPDATE events SET time = time + 1 WHERE no = 4", ProblemCode::Index),
    ("UPDATE events SET kind = 'key.rotated' WHERE no = 4", ProblemCode::Index),
    ("UPDATE events SET id = randomblob(16) WHERE no = 4", ProblemCode::Index),
    ("DELETE FROM events WHERE no = 4", ProblemCode::Gap),
    ("UPDATE nodes SET hash = randomblob(32) WHERE no = 1", ProblemCode::Node),
    ("DELETE FROM nodes WHERE no = 1", ProblemCode::Node),
    ("UPDATE decisions SET outcome = 0 WHERE no = 4", ProblemCode::Index),
    ("DELETE FROM decisions WHERE no = 4", ProblemCode::Index),
    ("UPDATE idempotency SET request = zeroblob(32) WHERE no = 6", ProblemCode::Index),
    ("DELETE FROM idempotency WHERE no = 6", ProblemCode::Index),
    ("UPDATE payloads SET salt = randomblob(32) WHERE no = 8", ProblemCode::Payload),
    (
        "UPDATE payloads SET erased = 1, salt = zeroblob(32), bytes = zeroblob(length(bytes)) WHERE no = 8",
        ProblemCode::Erasure,
    ),
    ("DELETE FROM payloads WHERE no = 8", ProblemCode::Missing),
    ("UPDATE blobs SET bytes = 'x' || bytes WHERE no = 1", ProblemCode::Unreadable),
    ("UPDATE blobs SET bytes = randomblob(5) WHERE no = 1", ProblemCode::Blob),
    ("DELETE FROM blobs WHERE no = 2", ProblemCode::Missing),
    ("DELETE FROM checkpoint WHERE no = 0", ProblemCode::Checkpoint),
    ("UPDATE checkpoint SET note = replace(note, 'A', 'B') WHERE no = 0", ProblemCode::Checkpoint),
    ("INSERT INTO checkpoint(no, note) SELECT 7, note FROM checkpoint", ProblemCode::Checkpoint),
    ("INSERT INTO checkpoint(no, note) SELECT -7, note FROM checkpoint", ProblemCode::Structure),
    ("UPDATE meta SET value = value || 'x' WHERE no = 1", ProblemCode::Checkpoint),
    ("UPDATE meta SET value = 'x' WHERE no = 2", ProblemCode::Checkpoint),
    ("DELETE FROM meta WHERE no = 1", ProblemCode::Unreadable),
    ("INSERT INTO meta(no, value) VALUES (4, 'x')", ProblemCode::Structure),
    ("UPDATE meta SET value = '1' WHERE no = 3", ProblemCode::Page),
    ("UPDATE meta SET value = '+' || value WHERE no = 3", ProblemCode::Unreadable),
    ("UPDATE meta SET value = '00' || value WHERE no = 3", ProblemCode::Unreadable),
    ("INSERT INTO nodes(no, hash) VALUES (1000, randomblob(32))", ProblemCode::Gap),
];

#[test]
fn damage_to_any_table_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let sound = folder.path().join("log");
    write(&sound, 9, 4096);
    for (n, (statement, expected)) in DAMAGE.into_iter().enumerate() {
        let path = copy_of(&sound, n);
        let db = Connection::open(&path).unwrap();
        // Text where bytes belong is refused by the tables themselves; then only the file's own check could tell.
        match db.execute(statement, []) {
            Ok(changed) => assert_eq!(changed, 1, "{statement}"),
            Err(error) => {
                assert_eq!(expected, ProblemCode::Unreadable, "{statement}: {error}");
                continue;
            }
        }
        drop(db);
        let found = codes(&path);
        assert!(found.contains(&expected), "{statement}: {found:?}");
    }
}

/// A row is changed while its index is out of the schema: the file is well-formed, and whoever asks the index is misled.
#[test]
fn an_index_that_is_not_of_its_table_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    write(&path, 9, 4096);
    let open = || {
        let db = Connection::open(&path).unwrap();
        db.execute_batch("PRAGMA writable_schema = ON").unwrap();
        db
    };
    let text = "SELECT rowid, rootpage, sql FROM sqlite_schema WHERE name = 'decisions_time'";
    let row: (i64, i64, String) =
        open().query_row(text, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    assert_eq!(open().execute("DELETE FROM sqlite_schema WHERE name = 'decisions_time'", []).unwrap(), 1);
    assert_eq!(open().execute("UPDATE decisions SET time = time + 1 WHERE no = 4", []).unwrap(), 1);
    let back = "INSERT INTO sqlite_schema(rowid, type, name, tbl_name, rootpage, sql) \
                VALUES (?1, 'index', 'decisions_time', 'decisions', ?2, ?3)";
    assert_eq!(open().execute(back, row).unwrap(), 1);
    let found = verify(&path).problems;
    let names =
        |problem: &Problem| problem.code == ProblemCode::Page && problem.detail.contains("index decisions_time");
    assert!(found.iter().any(names), "{found:?}");
    assert!(!found.iter().any(|problem| problem.detail.contains("index decisions_action")), "{found:?}");
}

/// What was erased before is put back, with its salt.
#[test]
fn an_erasure_that_was_undone_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    write(&path, 5, 4096);
    let request = decision(2).request.unwrap();
    let db = Connection::open(&path).unwrap();
    let back = "UPDATE payloads SET erased = 0, salt = ?1, bytes = ?2 WHERE no = 4";
    assert_eq!(db.execute(back, (request.salt.as_bytes(), &request.bytes)).unwrap(), 1);
    drop(db);
    assert_eq!(codes(&path), [ProblemCode::Erasure]);
}

/// Whoever has the signing key writes events that do not say what their decisions say, or erase another decision than they
/// name: the tree and the signatures are sound.
#[test]
fn events_that_contradict_what_they_commit_to_are_found() {
    fn body(event: &mut Event) -> &mut DecisionBody {
        match &mut event.body {
            Body::Decision(body) => body,
            other => panic!("{other:?}"),
        }
    }
    type Change = fn(&mut Event);
    let changes: [(&str, Change); 13] = [
        ("id", |event| event.id = id(77)),
        ("outcome", |event| (body(event).outcome, body(event).proceed) = (Outcome::Allow, true)),
        ("degraded", |event| body(event).degraded = true),
        ("codes", |event| body(event).codes.clear()),
        ("policies", |event| body(event).policies[0].name.push('x')),
        ("policies", |event| body(event).left_out.policies = 1),
        ("policy_set", |event| body(event).policy_set.sha256 = Sha256::of(b"other")),
        ("engine", |event| body(event).engine.version.push('x')),
        ("now", |event| body(event).now = Time::new(moment(9)).unwrap()),
        ("correlation_id", |event| body(event).correlation_id = Some("x".into())),
        ("action", |event| body(event).action.push('x')),
        ("resource type", |event| body(event).resource.kind.push('x')),
        ("resource id", |event| body(event).resource.id.push('x')),
    ];
    // A deny.
    const N: u64 = 5;
    for (what, change) in changes {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let good = decision(N);
        let mut event = Event::decode(&good.event.leaf).unwrap();
        change(&mut event);
        let wrong =
            Entry { request: good.request, decision: good.decision, blobs: good.blobs, ..Entry::new(&event).unwrap() };
        Ledger::open(&path, &LedgerOptions::default()).unwrap().append(wrong).unwrap();
        let found = verify(&path).problems;
        let said = matches!(found.as_slice(), [one] if one.code == ProblemCode::Payload && one.detail.contains(&format!("its {what} is not")));
        assert!(said, "{what}: {found:?}");
    }
    // The request of another decision, properly committed to.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let (good, other) = (decision(N), decision(N + 15).request.unwrap());
    let mut event = Event::decode(&good.event.leaf).unwrap();
    body(&mut event).request = Commitment::new(&other.salt, &other.bytes);
    let wrong =
        Entry { request: Some(other), decision: good.decision, blobs: good.blobs, ..Entry::new(&event).unwrap() };
    Ledger::open(&path, &LedgerOptions::default()).unwrap().append(wrong).unwrap();
    let found = verify(&path).problems;
    assert!(matches!(found.as_slice(), [one] if one.detail.contains("another request")), "{found:?}");
}

/// An erasure that names another decision than the one that it erases. A ledger refuses it; its writer did not.
#[test]
fn an_erasure_of_another_decision_than_it_says_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let ledger = Ledger::open(&path, &LedgerOptions::default()).unwrap();
    (0..3).for_each(|n| drop(ledger.append(decision(n)).unwrap()));
    let parts = [ErasedPart::Request, ErasedPart::Decision];
    let lie = Entry { erases: erasure(3, id(1), 1, &parts).erases, ..erasure(3, id(2), 1, &parts) };
    ledger.append(lie).unwrap();
    drop(ledger);
    let found = verify(&path).problems;
    assert!(matches!(found.as_slice(), [one] if one.code == ProblemCode::Erasure && one.at == "event 3"), "{found:?}");
}

/// The whole tree computed anew after a change: sound in itself, but not what was signed.
#[test]
fn a_rewritten_history_does_not_match_what_was_signed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    write(&path, 5, 4096);
    let other = folder.path().join("other");
    let options = LedgerOptions { key: Some(folder.path().join("log.key")), ..LedgerOptions::default() };
    let ledger = Ledger::open(&other, &options).unwrap();
    ledger.append(activation(0)).unwrap();
    (11..17).for_each(|n| drop(ledger.append(decision(n)).unwrap()));
    drop(ledger);
    assert_eq!(codes(&other), []);
    let found = verify_file(&other, &default_copies(&path), None).unwrap();
    assert_eq!(found.problems.len(), 1, "{:?}", found.problems);
    assert_eq!(found.problems[0].code, ProblemCode::Checkpoint);
}

#[test]
fn a_ledger_that_is_written_to_is_verified_without_its_pages() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    write(&path, 5, 4096);
    let ledger = Ledger::open(&path, &LedgerOptions::default()).unwrap();
    ledger.append(decision(50)).unwrap();
    let found = verify(&path);
    assert_eq!(found.problems, []);
    assert_eq!(found.size, 8);
    assert!(matches!(found.pages, Pages::NotChecked { .. }));
}

/// Erasing means erasing: the bytes are in no file any more.
#[test]
fn nothing_of_what_was_erased_is_in_any_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let ledger = Ledger::open(&path, &LedgerOptions::default()).unwrap();
    ledger.append(activation(0)).unwrap();
    (1..4).for_each(|n| drop(ledger.append(keyed(n, "k".repeat(usize::try_from(n).unwrap()).as_str())).unwrap()));
    let (request, json) = (keyed(2, "kk").request.unwrap(), keyed(2, "kk").decision.unwrap());
    let key = keyed(2, "kk").idempotency.unwrap();
    // The event has the id too, but followed by other members.
    let id_in_json = format!("{}\",\"now\":", id(2));
    assert!(json.bytes.windows(id_in_json.len()).any(|window| window == id_in_json.as_bytes()));
    let secrets: [&[u8]; 5] =
        [b"user-2", request.salt.as_bytes(), json.salt.as_bytes(), key.request.as_bytes(), id_in_json.as_bytes()];
    let found_in = |secret: &[u8]| {
        let files = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        // A copy that is being replaced has another name for a moment.
        let bytes = |file: &PathBuf| std::fs::read(file).unwrap_or_default();
        let holds = |file: &PathBuf| bytes(file).windows(secret.len()).any(|window| window == secret);
        files.into_iter().filter(holds).count()
    };
    secrets.iter().for_each(|secret| assert!(found_in(secret) > 0, "the test looks for the wrong bytes"));
    ledger.append(erasure(4, id(2), 2, &[ErasedPart::Request, ErasedPart::Decision])).unwrap();
    assert!(ledger.scrubbed(std::time::Duration::from_secs(10)));
    secrets.iter().for_each(|secret| assert_eq!(found_in(secret), 0));
    drop(ledger);
    assert_eq!(codes(&path), []);
}
