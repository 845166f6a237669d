//! Killed at every write, failed at every write, without power after every sync.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use portcullis_ledger::{Appended, Ledger, LedgerOptions, StoreError, default_copies, verify_file};

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
            let output = Command::new("strace")
                .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}"), "-e", &inject])
                .arg(std::env::current_exe().unwrap())
                .args(["crash::rotates", "--exact", "--ignored", "--nocapture"])
                .env(FILE, &path)
                .stderr(Stdio::null())
                .output()
                .unwrap();
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

fn run(path: &Path, first: u64, strace: &[&str]) -> Run {
    let output = Command::new("strace")
        .args(["-f", "-qq"])
        .args(strace)
        .arg(std::env::current_exe().unwrap())
        .args(["crash::appends", "--exact", "--ignored", "--nocapture"])
        .env(FILE, path)
        .env(FIRST, first.to_string())
        .stderr(Stdio::null())
        .output()
        .unwrap();
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

/// Reopens and verifies: what was acknowledged is stored, indexes have no gap, every copy is a prefix, nothing is damaged.
fn check(path: &Path, acknowledged: &[(u64, String)], at: &str) {
    let published = std::fs::read_to_string(&default_copies(path)[0]).ok();
    let ledger = Ledger::open(path, &LedgerOptions::default()).unwrap_or_else(|error| panic!("{at}: {error}"));
    let reader = ledger.reader().unwrap();
    let size = reader.size().unwrap();
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
/// each file what was synced, and of what was not synced nothing, or every other write.
#[test]
fn without_power_after_every_call() {
    if !has_strace() {
        return;
    }
    let (folder, path) = folder(true);
    let before = Disk::read(folder.path());
    let log = folder.path().with_extension("strace");
    let trace = format!("trace={CALLS},openat");
    let run = run(&path, 3, &["-o", log.to_str().unwrap(), "-e", &trace, "-xx", "-y", "-s", "1000000"]);
    assert_eq!(run.acknowledged.len(), usize::try_from(COUNT).unwrap());
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    for kept in [Kept::Nothing, Kept::EveryOther, Kept::All] {
        let mut disk = before.clone();
        let mut said = String::new();
        let mut states = 0;
        for call in joined(&text) {
            let Some(call) = Call::parse(&call, folder.path()) else { continue };
            if let Call::Say(text) = &call {
                said.push_str(text);
            }
            let is_sync = matches!(call, Call::Sync(_) | Call::Say(_));
            disk.apply(call);
            if !is_sync {
                continue;
            }
            let after = tempfile::tempdir().unwrap();
            disk.write(after.path(), kept);
            check(&after.path().join("log"), &acknowledged(&said), &format!("{kept:?}, state {states}"));
            states += 1;
        }
        assert!(states > COUNT, "{states} states");
        println!("{kept:?}: {states} states");
    }
}

#[derive(Clone, Copy, Debug)]
enum Kept {
    Nothing,
    EveryOther,
    All,
}

enum Call {
    Write { file: String, offset: Option<u64>, bytes: Vec<u8> },
    Truncate { file: String, length: u64 },
    Create { file: String, truncated: bool },
    Rename { from: String, to: String },
    Unlink(String),
    Sync(String),
    Say(String),
}

impl Call {
    fn parse(line: &str, folder: &Path) -> Option<Call> {
        let (call, result) = line.split_once(' ')?.1.trim_start().rsplit_once(" = ")?;
        if result.starts_with('-') {
            return None;
        }
        let (name, arguments) = call.split_once('(')?;
        let arguments = arguments.trim_end().strip_suffix(')')?;
        let inside = |path: &str| Path::new(path).strip_prefix(folder).ok()?.to_str().map(str::to_owned);
        // `5</path>` for a descriptor, also as hex with -xx.
        let descriptor = || Some(unhex_path(arguments.split_once('<')?.1.split_once('>')?.0));
        let quoted: Vec<Vec<u8>> = arguments.split('"').skip(1).step_by(2).map(unhex).collect();
        let text = |n: usize| quoted.get(n).map(|bytes| String::from_utf8(bytes.clone()).unwrap());
        match name {
            "write" if arguments.starts_with("1<") => Some(Call::Say(text(0)?)),
            "write" | "pwrite64" => {
                let file = inside(&descriptor()?)?;
                let offset = if name == "write" { None } else { Some(arguments.rsplit_once(", ")?.1.parse().ok()?) };
                Some(Call::Write { file, offset, bytes: quoted.into_iter().next()? })
            }
            "ftruncate" => {
                let file = inside(&descriptor()?)?;
                Some(Call::Truncate { file, length: arguments.rsplit_once(", ")?.1.parse().ok()? })
            }
            "fsync" | "fdatasync" => inside(&descriptor()?).map(Call::Sync),
            "openat" if arguments.contains("O_CREAT") => {
                Some(Call::Create { file: inside(&text(0)?)?, truncated: arguments.contains("O_TRUNC") })
            }
            "rename" | "renameat" | "renameat2" => {
                Some(Call::Rename { from: inside(&text(0)?)?, to: inside(&text(1)?)? })
            }
            "unlink" | "unlinkat" => inside(&text(0)?).map(Call::Unlink),
            _ => None,
        }
    }
}

fn unhex(text: &str) -> Vec<u8> {
    text.split("\\x").skip(1).map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect()
}

fn unhex_path(text: &str) -> String {
    if text.starts_with("\\x") { String::from_utf8(unhex(text)).unwrap() } else { text.to_owned() }
}

/// The log's lines with each call that another thread interrupted put together again.
fn joined(text: &str) -> Vec<String> {
    let mut pending: BTreeMap<&str, &str> = BTreeMap::new();
    let mut whole = Vec::new();
    for line in text.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        if let Some(begun) = call.strip_suffix(" <unfinished ...>") {
            pending.insert(thread, begun);
        } else if call.trim_start().starts_with("<... ") {
            let begun = pending.remove(thread).unwrap_or("");
            let rest = call.split_once(" resumed>").map_or("", |(_, rest)| rest);
            whole.push(format!("{thread} {}{rest}", begun.trim_start()));
        } else {
            whole.push(line.to_owned());
        }
    }
    whole
}

/// Files as a disk has them: what was synced, and the changes since.
#[derive(Clone, Default)]
struct Disk(BTreeMap<String, DiskFile>);

#[derive(Clone, Default)]
struct DiskFile {
    synced: Vec<u8>,
    since: Vec<(u64, Option<Vec<u8>>)>,
    end: u64,
}

impl Disk {
    fn read(folder: &Path) -> Disk {
        let files = std::fs::read_dir(folder).unwrap().map(|entry| {
            let entry = entry.unwrap();
            let synced = std::fs::read(entry.path()).unwrap();
            let end = u64::try_from(synced.len()).unwrap();
            (entry.file_name().into_string().unwrap(), DiskFile { synced, since: Vec::new(), end })
        });
        Disk(files.collect())
    }

    fn apply(&mut self, call: Call) {
        match call {
            Call::Write { file, offset, bytes } => {
                let file = self.0.entry(file).or_default();
                let offset = offset.unwrap_or(file.end);
                file.end = file.end.max(offset + u64::try_from(bytes.len()).unwrap());
                file.since.push((offset, Some(bytes)));
            }
            Call::Truncate { file, length } => {
                let file = self.0.entry(file).or_default();
                file.end = length;
                file.since.push((length, None));
            }
            Call::Create { file, truncated } => {
                let file = self.0.entry(file).or_default();
                if truncated {
                    *file = DiskFile::default();
                }
            }
            Call::Rename { from, to } => {
                let file = self.0.remove(&from).unwrap();
                self.0.insert(to, file);
            }
            Call::Unlink(file) => drop(self.0.remove(&file)),
            // Of a folder nothing is kept back: names change at once.
            Call::Sync(file) => {
                if let Some(file) = self.0.get_mut(&file) {
                    file.synced = file.content(Kept::All);
                    file.since.clear();
                }
            }
            Call::Say(_) => {}
        }
    }

    fn write(&self, folder: &Path, kept: Kept) {
        // The WAL's index is shared memory, made anew from the WAL.
        let names: BTreeSet<&String> = self.0.keys().filter(|name| !name.ends_with("-shm")).collect();
        for name in names {
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.write(true).create_new(true).mode(0o600).open(folder.join(name)).unwrap();
            file.write_all(&self.0[name].content(kept)).unwrap();
        }
    }
}

impl DiskFile {
    fn content(&self, kept: Kept) -> Vec<u8> {
        let mut content = self.synced.clone();
        for (n, (offset, bytes)) in self.since.iter().enumerate() {
            match kept {
                Kept::Nothing => break,
                Kept::EveryOther if n % 2 == 0 => continue,
                Kept::EveryOther | Kept::All => {}
            }
            let offset = usize::try_from(*offset).unwrap();
            match bytes {
                Some(bytes) => {
                    content.resize(content.len().max(offset + bytes.len()), 0);
                    content[offset..offset + bytes.len()].copy_from_slice(bytes);
                }
                None => content.resize(offset, 0),
            }
        }
        content
    }
}
