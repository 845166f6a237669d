//! Killed at every write, failed at every write, without power after every sync.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis_ledger::{Appended, Ledger, LedgerOptions, Reader, StoreError, default_copies, verify_file};

use crate::disk::{Call, Disk, Kept, joined};
use crate::sample::{decision, keyed};

const COUNT: u64 = 6;
const CALLS: &str = "write,pwrite64,fsync,fdatasync,ftruncate,rename,renameat,renameat2,link,linkat,unlink,unlinkat";
/// Where a file cannot be removed, it stays, and nothing is wrong.
const CALLS_THAT_FAIL: &str = "write,pwrite64,fsync,fdatasync,ftruncate,rename,renameat,renameat2,link,linkat";
/// How files get their names.
const RENAMES: &str = "rename,renameat,renameat2,link,linkat";

/// Where the appending process works, and from which decision on.
const FILE: &str = "PORTCULLIS_CRASH_FILE";
const FIRST: &str = "PORTCULLIS_CRASH_FIRST";

/// The process that is killed: says `ack INDEX ID` for each durable decision, `stopped` once the ledger takes nothing
/// more, `ack-after-stop` if it should go on nevertheless.
#[test]
#[ignore = "started by the crash tests"]
fn appends() {
    let (Ok(path), Ok(first)) = (std::env::var(FILE), std::env::var(FIRST)) else { return };
    let first: u64 = first.parse().unwrap();
    say("");
    let ledger = match Ledger::open(path.as_ref(), &LedgerOptions::default()) {
        Ok(ledger) => ledger,
        Err(error) => return say(&format!("not opened: {error}")),
    };
    let mut stopped = false;
    for n in first..first + COUNT {
        let entry = if n % 4 == 0 { keyed(n, &n.to_string()) } else { decision(n) };
        let id = entry.event.id;
        match ledger.append(entry) {
            Ok(Appended::Committed(_)) if stopped => say("ack-after-stop"),
            Ok(Appended::Committed(commit)) => say(&format!("ack {} {id}", commit.index)),
            Ok(other) => panic!("{other:?}"),
            Err(StoreError::Stopped { cause }) => {
                if !stopped {
                    say(&format!("stopped {cause}"));
                }
                stopped = true;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// The process that is killed while it rotates the key: says `ack` once it is done.
#[test]
#[ignore = "started by the crash tests"]
fn rotates() {
    let Ok(path) = std::env::var(FILE) else { return };
    say("");
    let ledger = Ledger::open(path.as_ref(), &LedgerOptions::default()).unwrap();
    // The first commit makes the names in the folder durable; what the rotation needs must not rest on that.
    ledger.append(decision(50)).unwrap();
    ledger.rotate_key().unwrap();
    say("rotated");
}

/// Whichever call is the last one, the ledger opens, verifies and takes decisions, under the key before or the next one.
#[test]
fn killed_while_rotating() {
    if !has_strace() {
        return;
    }
    let (mut before, mut after) = (0, 0);
    for calls in [CALLS, RENAMES] {
        for n in 1.. {
            let (_folder, path) = folder(true);
            let old = key_of(&path);
            let inject = format!("inject={calls}:signal=KILL:when={n}");
            let strace = ["-o", "/dev/null", "-e", &format!("trace={calls}"), "-e", &inject];
            let output = run_test("rotates", &path, 0, &strace);
            check(&path, &[], &inject);
            let ledger = Ledger::open(&path, &LedgerOptions::default()).unwrap();
            assert!(matches!(ledger.append(decision(100)), Ok(Appended::Committed(_))));
            let new = ledger.verifier_key().clone();
            drop(ledger);
            assert_eq!(verify_file(&path, &default_copies(&path), Some(&old)).unwrap().problems, [], "{inject}");
            if output.status.success() && n > 40 {
                break;
            }
            *(if new == old { &mut before } else { &mut after }) += 1;
            assert!(n < 500);
        }
    }
    println!("{before} runs ended before the rotation, {after} after it");
    assert!(before > 0 && after > 0);
}

fn key_of(path: &Path) -> portcullis_ledger::VerifierKey {
    let file = format!("{}.key", path.display());
    portcullis_ledger::read_signing_key(file.as_ref()).unwrap().unwrap().verifier().clone()
}

/// Whoever reads may be gone, and the write may be the one that is made to fail.
fn say(line: &str) {
    let _ = std::io::stdout().write_all(format!("{line}\n").as_bytes());
}

fn has_strace() -> bool {
    let found = Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_ok_and(|status| status.success());
    if !found {
        portcullis_skip::skip("strace", "crashes were not tested: apt-get install strace");
    }
    found
}

struct Run {
    acknowledged: Vec<(u64, String)>,
    stopped: bool,
    finished: bool,
}

/// One of the tests that are started by others.
fn run_test(test: &str, path: &Path, first: u64, strace: &[&str]) -> Output {
    Command::new("strace")
        .args(["-f", "-qq"])
        .args(strace)
        .arg(std::env::current_exe().unwrap())
        .args([&format!("crash::{test}"), "--exact", "--ignored", "--nocapture"])
        .env(FILE, path)
        .env(FIRST, first.to_string())
        .stderr(Stdio::null())
        .output()
        .unwrap()
}

fn run(path: &Path, first: u64, strace: &[&str]) -> Run {
    let output = run_test("appends", path, first, strace);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("ack-after-stop"), "{text}");
    let stopped = text.contains("stopped") || text.contains("not opened");
    Run { acknowledged: acknowledged(&text), stopped, finished: output.status.success() }
}

fn acknowledged(text: &str) -> Vec<(u64, String)> {
    // The last line may be cut.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let lines = whole.lines().filter_map(|line| line.strip_prefix("ack ")?.split_once(' '));
    lines.map(|(index, id)| (index.parse().unwrap(), id.to_owned())).collect()
}

/// Verifies, reopens and verifies: what was acknowledged is stored, indexes have no gap, every copy is a prefix, nothing is
/// damaged, and opening has nothing to mend.
fn check(path: &Path, acknowledged: &[(u64, String)], at: &str) {
    let copies = default_copies(path);
    let published = std::fs::read_to_string(&copies[0]).ok();
    let copies_there = if published.is_some() { copies.as_slice() } else { &[] };
    let found = match verify_file(path, copies_there, None) {
        Ok(found) => {
            // One that was not made to the end is not in its last form.
            assert!(found.size == 0 || found.is_sound(), "{at}, as it was left: {:?}", found.problems);
            found.size
        }
        Err(error) => {
            assert!(acknowledged.is_empty(), "{at}, as it was left: {error}");
            0
        }
    };
    let ledger = Ledger::open(path, &LedgerOptions::default()).unwrap_or_else(|error| panic!("{at}: {error}"));
    let reader = ledger.reader().unwrap();
    let size = reader.size().unwrap();
    assert_eq!(size, found, "{at}");
    for (index, id) in acknowledged {
        let found = reader.find(id.parse().unwrap()).unwrap();
        assert_eq!(found.map(|(index, _)| index), Some(*index), "{at}: {id} was acknowledged");
    }
    if let Some(note) = published {
        let published = reader.keys().unwrap().open(&note).unwrap();
        assert!(published.size() <= size, "{at}: the published checkpoint leads");
    }
    drop(ledger);
    let found = verify_file(path, &default_copies(path), None).unwrap();
    assert_eq!(found.problems, [], "{at}");
    assert_eq!(found.size, size, "{at}");
}

/// A fresh folder, or one with a ledger that has three events. The blob that decisions name is in it.
fn folder(with_ledger: bool) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    if with_ledger {
        let ledger = Ledger::open(&path, &LedgerOptions::default()).unwrap();
        (0..3).for_each(|n| drop(ledger.append(decision(n)).unwrap()));
    }
    (folder, path)
}

/// `calls` counts per thread: on a new ledger the opening thread is hit, on an old one the sequencer, and with renames
/// alone the publisher.
fn at_every_call(calls: &str, with_ledger: bool, fault: &str) -> (u32, u32) {
    let (mut n, mut hit) = (0, 0);
    let step = if cfg!(debug_assertions) && calls == CALLS { 3 } else { 1 };
    loop {
        n += step;
        let (_folder, path) = folder(with_ledger);
        let inject = format!("inject={calls}:{fault}:when={n}");
        let first = if with_ledger { 3 } else { 0 };
        let run = run(&path, first, &["-o", "/dev/null", "-e", &format!("trace={calls}"), "-e", &inject]);
        let whole = run.finished && !run.stopped && run.acknowledged.len() == usize::try_from(COUNT).unwrap();
        check(&path, &run.acknowledged, &format!("{inject}, ledger before: {with_ledger}"));
        if fault.starts_with("error") && !whole {
            assert!(run.stopped || run.acknowledged.len() < usize::try_from(COUNT).unwrap(), "{inject}: not told");
        }
        hit += u32::from(!whole);
        // A failure may go unnoticed, such as one of a message; many in a row mean that there are no more calls.
        if whole && n > 40 {
            return (n, hit);
        }
        assert!(n < 2000);
    }
}

#[test]
fn killed_at_every_call() {
    if !has_strace() {
        return;
    }
    for (calls, with_ledger) in [(CALLS, false), (CALLS, true), (RENAMES, true)] {
        let (calls_made, hit) = at_every_call(calls, with_ledger, "signal=KILL");
        println!("{calls}, ledger before: {with_ledger}: {hit} runs killed, up to call {calls_made}");
        assert!(hit >= 1);
    }
}

#[test]
fn failed_at_every_call() {
    if !has_strace() {
        return;
    }
    for error in ["error=EIO", "error=ENOSPC"] {
        for with_ledger in [false, true] {
            let (calls_made, hit) = at_every_call(CALLS_THAT_FAIL, with_ledger, error);
            println!("{error}, ledger before: {with_ledger}: {hit} runs failed, up to call {calls_made}");
            assert!(hit > 5);
        }
    }
}

/// The calls of one run, as `strace -xx -y` shows them, replayed into folders as they would be after power was lost: of
/// each file what was synced, and of what was not synced nothing, or every other write; and names that were made or moved
/// without a sync of their folder, or as they were before.
fn without_power(test: &str, with_ledger: bool, after: impl Fn(&Path, &str, &str)) -> usize {
    let (folder, path) = folder(with_ledger);
    let before = Disk::read(folder.path());
    let log = folder.path().with_extension("strace");
    let trace = format!("trace={CALLS},openat");
    let first = if with_ledger { 3 } else { 0 };
    let strace = ["-o", log.to_str().unwrap(), "-e", &trace, "-xx", "-y", "-s", "1000000"];
    let output = run_test(test, &path, first, &strace);
    assert!(output.status.success());
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    let mut all = 0;
    for kept in [Kept::Nothing, Kept::Names, Kept::EveryOther, Kept::All] {
        let mut disk = before.clone();
        let mut said = String::new();
        let mut states = 0;
        for call in joined(&text) {
            let Some(call) = Call::parse(&call, folder.path()) else { continue };
            if let Call::Say(text) = &call {
                said.push_str(text);
            }
            // A name is there or not right after it was made; of what is written that is looked at when it is synced.
            let is_step = matches!(
                call,
                Call::Sync(_) | Call::Say(_) | Call::Rename { .. } | Call::Link { .. } | Call::Unlink(_)
            );
            disk.apply(call);
            if !is_step {
                continue;
            }
            let lost = tempfile::tempdir().unwrap();
            disk.write(lost.path(), kept);
            after(&lost.path().join("log"), &said, &format!("{test}, {kept:?}, state {states}"));
            states += 1;
        }
        println!("{test}, ledger before: {with_ledger}, {kept:?}: {states} states");
        all += states;
    }
    all
}

#[test]
fn without_power_after_every_call() {
    if !has_strace() {
        return;
    }
    let whole = usize::try_from(COUNT).unwrap();
    for with_ledger in [true, false] {
        let most = AtomicUsize::new(0);
        let states = without_power("appends", with_ledger, |path, said, at| {
            let acknowledged = acknowledged(said);
            most.fetch_max(acknowledged.len(), Ordering::Relaxed);
            check(path, &acknowledged, at);
        });
        assert_eq!(most.into_inner(), whole);
        assert!(states > 4 * whole, "{states} states");
    }
}

/// Under which key it opens is open until the rotation is told of; then it is the next one.
#[test]
fn without_power_while_rotating() {
    if !has_strace() {
        return;
    }
    let told = AtomicUsize::new(0);
    let states = without_power("rotates", true, |path, said, at| {
        check(path, &[], at);
        let keys = Reader::open(path).unwrap().keys().unwrap();
        assert_eq!(keys.current(), &key_of(path), "{at}");
        if said.contains("rotated") {
            assert_eq!(keys.keys().count(), 2, "{at}");
            told.fetch_add(1, Ordering::Relaxed);
        }
    });
    assert!(told.into_inner() > 0 && states > 40, "{states} states");
}
