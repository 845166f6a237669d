//! The conformance suite on a real PostgreSQL, its death, and failover.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use portcullis_ledger::store::postgres::{Postgres, PostgresOptions};
use portcullis_ledger::{Appended, Ledger, LedgerOptions, StoreError, Verification, verify_store};

use crate::conformance::{Place, all};
use crate::sample::decision;

/// A server in a folder of its own, reached over a Unix socket there.
struct Server {
    folder: tempfile::TempDir,
    programs: PathBuf,
    as_root: bool,
}

impl Server {
    fn start() -> Option<Server> {
        let Some(programs) = programs() else {
            eprintln!("SKIPPED: no PostgreSQL programs (apt-get install postgresql); its store was not tested");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let as_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
        if as_root {
            let chown = Command::new("chown").arg("nobody").arg(folder.path()).status().unwrap();
            assert!(chown.success());
        }
        let server = Server { folder, programs, as_root };
        let data = server.folder.path().join("data");
        server.run("initdb", &["-D", path(&data), "-A", "trust", "-U", "gate", "-E", "UTF8", "--locale=C"]);
        server.begin();
        Some(server)
    }

    fn begin(&self) {
        let data = self.folder.path().join("data");
        let options = format!("-k {} -c listen_addresses=''", self.folder.path().display());
        let log = self.folder.path().join("log");
        self.run("pg_ctl", &["-D", path(&data), "-l", path(&log), "-o", &options, "-w", "start"]);
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.programs.join(program);
        let mut command = if self.as_root {
            // PostgreSQL refuses to be run by root.
            let mut command = Command::new("runuser");
            command.args(["-u", "nobody", "--"]).arg(&program);
            command
        } else {
            Command::new(&program)
        };
        // Not a pipe: the server would keep it open.
        let status = command
            .args(arguments)
            .current_dir(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{}: {status}", program.display());
    }

    /// SIGKILL to the server and all its processes, as in a crash of the machine's software.
    fn kill(&self) {
        let pid = std::fs::read_to_string(self.folder.path().join("data/postmaster.pid")).unwrap();
        let pid = pid.lines().next().unwrap();
        let children = Command::new("ps").args(["-o", "pid=", "--ppid", pid]).output().unwrap().stdout;
        let children = String::from_utf8(children).unwrap();
        let all: Vec<&str> = std::iter::once(pid).chain(children.split_whitespace()).collect();
        // Some children may be gone before their turn.
        let _ = Command::new("kill").arg("-9").args(all).stderr(Stdio::null()).status().unwrap();
        std::thread::sleep(Duration::from_millis(300));
        // Where nobody reaps it, a dead process still has its number, and the next server would take it for alive.
        for left in ["data/postmaster.pid", ".s.PGSQL.5432.lock"] {
            let _ = std::fs::remove_file(self.folder.path().join(left));
        }
    }

    fn place(&self, schema: &str, lease: Duration) -> Schema {
        let options = PostgresOptions {
            connection: format!("host={} user=gate dbname=postgres", self.folder.path().display()),
            schema: schema.to_owned(),
            holder: "replica".to_owned(),
            lease,
        };
        let files = tempfile::tempdir().unwrap();
        Schema { options, key: files.path().join("key"), copies: vec![files.path().join("copy")], files: Some(files) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.folder.path().join("data/postmaster.pid").exists() {
            self.kill();
        }
    }
}

fn programs() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

struct Schema {
    options: PostgresOptions,
    key: PathBuf,
    copies: Vec<PathBuf>,
    files: Option<tempfile::TempDir>,
}

impl Schema {
    /// Another replica: the same key, a copy of its own.
    fn replica(&self, name: &str) -> Schema {
        let options = PostgresOptions { holder: name.to_owned(), ..self.options.clone() };
        let copies = vec![self.files.as_ref().unwrap().path().join(name)];
        Schema { options, key: self.key.clone(), copies, files: None }
    }

    fn open_with(&self, options: &LedgerOptions) -> Result<Ledger, StoreError> {
        Ledger::open_postgres(&self.options, &self.key, &self.copies, options)
    }
}

impl Place for Schema {
    fn open(&self) -> Result<Ledger, StoreError> {
        self.open_with(&LedgerOptions::default())
    }

    fn verify(&self) -> Verification {
        let mut store = Postgres::open_reader(&self.options).unwrap();
        verify_store(&mut store, &self.copies, None).unwrap()
    }
}

#[test]
fn conforms() {
    let Some(server) = Server::start() else { return };
    let number = std::sync::atomic::AtomicU32::new(0);
    all(&|| {
        let n = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Box::new(server.place(&format!("ledger_{n}"), Duration::from_secs(10)))
    });
}

/// SIGKILL while 8 threads append; what was acknowledged is there after the server recovered.
#[test]
fn killed_while_committing() {
    let Some(server) = Server::start() else { return };
    let place = server.place("ledger", Duration::from_millis(300));
    for round in 0..4u64 {
        let waiting = LedgerOptions { lock_wait: Duration::from_secs(5), ..LedgerOptions::default() };
        let ledger = place.open_with(&waiting).unwrap();
        let (acknowledged, errors): (Vec<u64>, Vec<StoreError>) = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8u64)
                .map(|thread| {
                    let ledger = &ledger;
                    scope.spawn(move || {
                        let mut acknowledged = Vec::new();
                        for n in 0..1_000_000 {
                            let n = round * 100_000_000 + thread * 10_000_000 + n;
                            match ledger.append(decision(n)) {
                                Ok(Appended::Committed(_)) => acknowledged.push(n),
                                Ok(other) => panic!("{other:?}"),
                                Err(error) => return (acknowledged, error),
                            }
                        }
                        panic!("the server is not dead")
                    })
                })
                .collect();
            std::thread::sleep(Duration::from_millis(150 + 70 * round));
            server.kill();
            let all: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            (
                all.iter().flat_map(|(acknowledged, _)| acknowledged.clone()).collect(),
                all.into_iter().map(|(_, e)| e).collect(),
            )
        });
        assert!(!acknowledged.is_empty());
        for error in errors {
            assert!(matches!(&error, StoreError::Stopped { cause } if cause.contains("the database")), "{error}");
        }
        assert!(matches!(ledger.append(decision(1)), Err(StoreError::Stopped { .. })));
        drop(ledger);
        server.begin();
        let ledger = place.open_with(&waiting).unwrap();
        let reader = ledger.reader().unwrap();
        for n in &acknowledged {
            assert!(reader.find(crate::sample::id(*n)).unwrap().is_some(), "decision {n} was acknowledged");
        }
        drop(ledger);
        let found = place.verify();
        assert_eq!(found.problems, [], "round {round}");
        println!("round {round}: {} acknowledged, {} stored", acknowledged.len(), found.size);
    }
}

/// A replica that is stopped for longer than its lease, and wakes up after another took over.
#[test]
fn fails_over_to_exactly_one() {
    let Some(server) = Server::start() else { return };
    let first = server.place("ledger", Duration::from_millis(1500));
    let second = first.replica("second");
    let waiting = LedgerOptions { lock_wait: Duration::from_secs(10), add_copies: true, ..LedgerOptions::default() };
    let old = first.open().unwrap();
    old.append(decision(0)).unwrap();
    match second.open() {
        Err(StoreError::Leased { holder, remaining_ms }) => assert!(holder == "replica" && remaining_ms <= 1500),
        other => panic!("{:?}", other.err()),
    }
    // It goes on renewing the lease although nothing is appended.
    std::thread::sleep(Duration::from_millis(2500));
    assert!(matches!(second.open(), Err(StoreError::Leased { .. })));

    // As if the first had been asleep: its lease ends, and the second takes over while it still believes to hold it.
    let mut admin = postgres::Client::connect(&first.options.connection, postgres::NoTls).unwrap();
    admin.execute("UPDATE ledger.lease SET ends = clock_timestamp()", &[]).unwrap();
    let new = second.open_with(&waiting).unwrap();
    let (old_says, new_says) = std::thread::scope(|scope| {
        let old_says = scope.spawn(|| (1..20).map(|n| old.append(decision(n))).collect::<Vec<_>>());
        let new_says = scope.spawn(|| (101..120).map(|n| new.append(decision(n))).collect::<Vec<_>>());
        (old_says.join().unwrap(), new_says.join().unwrap())
    });
    for answer in old_says {
        match answer {
            Err(StoreError::Stopped { cause }) => assert!(cause.contains("epoch"), "{cause}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(new_says.iter().all(|answer| matches!(answer, Ok(Appended::Committed(_)))));
    drop(old);
    assert!(matches!(first.open(), Err(StoreError::Leased { .. })), "closing the old one does not end the lease");
    drop(new);
    let found = second.verify();
    assert_eq!(found.problems, []);
    assert_eq!(found.size, 20);
    // Given back when closed: the first need not wait.
    drop(first.open().unwrap());
}

/// The connection ends in the middle of a transaction of the sequencer.
#[test]
fn a_vanished_database_stops_the_ledger() {
    let Some(server) = Server::start() else { return };
    let place = server.place("ledger", Duration::from_secs(10));
    let ledger = place.open().unwrap();
    ledger.append(decision(0)).unwrap();
    server.kill();
    let first = ledger.append(decision(1)).unwrap_err();
    let StoreError::Stopped { cause } = first else { panic!("{first}") };
    server.begin();
    match ledger.append(decision(2)) {
        Err(StoreError::Stopped { cause: again }) => assert_eq!(again, cause, "the first cause stays"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(ledger.check(), Err(StoreError::Stopped { .. })));
}

#[test]
fn other_schemas_and_formats_are_refused() {
    let Some(server) = Server::start() else { return };
    let place = server.place("ledger", Duration::from_secs(10));
    drop(place.open().unwrap());
    let mut admin = postgres::Client::connect(&place.options.connection, postgres::NoTls).unwrap();
    for version in [0i64, 2] {
        admin.execute("UPDATE ledger.meta SET version = $1", &[&version]).unwrap();
        assert!(matches!(place.open(), Err(StoreError::Version { found, expected: 1, .. }) if found == version));
    }
    admin.batch_execute("CREATE SCHEMA other; CREATE TABLE other.x(a int)").unwrap();
    assert!(matches!(server.place("other", Duration::ZERO).open(), Err(StoreError::Foreign { .. })));
    assert!(matches!(server.place("Other; DROP", Duration::ZERO).open(), Err(StoreError::Refused { .. })));
}
