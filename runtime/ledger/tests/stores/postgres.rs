//! The conformance suite on a real PostgreSQL, its death, and failover.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use portcullis_ledger::store::postgres::{Postgres, PostgresOptions};
use portcullis_ledger::{Appended, Ledger, LedgerOptions, Reader, StoreError, Verification, verify_store};

use crate::conformance::{Place, all};
use crate::sample::decision;
use crate::server::Server;

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

    fn tamper(&self, statement: &str) -> u64 {
        tamper(&self.options, statement)
    }
}

pub fn tamper(place: &PostgresOptions, statement: &str) -> u64 {
    let mut client = ::postgres::Client::connect(&place.connection, ::postgres::NoTls).unwrap();
    client.execute(&format!("SET search_path TO {}", place.schema), &[]).unwrap();
    client.execute(statement, &[]).unwrap()
}

fn place_of(server: &Server, schema: &str, lease: Duration) -> Schema {
    let options = PostgresOptions {
        connection: server.connection(),
        schema: schema.to_owned(),
        holder: "replica".to_owned(),
        lease,
    };
    let files = tempfile::tempdir().unwrap();
    Schema { options, key: files.path().join("key"), copies: vec![files.path().join("copy")], files: Some(files) }
}

#[test]
fn conforms() {
    let Some(server) = Server::start() else { return };
    let number = std::sync::atomic::AtomicU32::new(0);
    all(&|| {
        let n = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Box::new(place_of(&server, &format!("ledger_{n}"), Duration::from_secs(10)))
    });
}

/// SIGKILL while 8 threads append; what was acknowledged is there after the server recovered.
#[test]
fn killed_while_committing() {
    let Some(server) = Server::start() else { return };
    let place = place_of(&server, "ledger", Duration::from_secs(20));
    for round in 0..4u64 {
        let waiting = LedgerOptions { lock_wait: Duration::from_secs(5), ..LedgerOptions::default() };
        let ledger = place.open_with(&waiting).unwrap();
        let told = AtomicU64::new(0);
        let (acknowledged, errors): (Vec<u64>, Vec<StoreError>) = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8u64)
                .map(|thread| {
                    let (ledger, told) = (&ledger, &told);
                    scope.spawn(move || {
                        let mut acknowledged = Vec::new();
                        for n in 0..1_000_000 {
                            let n = round * 100_000_000 + thread * 10_000_000 + n;
                            match ledger.append(decision(n)) {
                                Ok(Appended::Committed(_)) => {
                                    acknowledged.push(n);
                                    told.fetch_add(1, Ordering::Relaxed);
                                }
                                Ok(other) => panic!("{other:?}"),
                                Err(error) => return (acknowledged, error),
                            }
                        }
                        panic!("the server is not dead")
                    })
                })
                .collect();
            // However busy the machine is, something was acknowledged before.
            let start = Instant::now();
            while told.load(Ordering::Relaxed) < 8 && start.elapsed() < Duration::from_secs(60) {
                std::thread::sleep(Duration::from_millis(5));
            }
            std::thread::sleep(Duration::from_millis(100 + 70 * round));
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
        // Nobody gave it back, and nobody waits for it here.
        server.sql("UPDATE ledger.lease SET ends = clock_timestamp()");
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
    let first = place_of(&server, "ledger", Duration::from_secs(3));
    let second = first.replica("second");
    let waiting = LedgerOptions { lock_wait: Duration::from_secs(10), add_copies: true, ..LedgerOptions::default() };
    let old = first.open().unwrap();
    old.append(decision(0)).unwrap();
    match second.open() {
        Err(StoreError::Leased { holder, remaining_ms }) => assert!(holder == "replica" && remaining_ms <= 3000),
        other => panic!("{:?}", other.err()),
    }
    // It goes on renewing the lease although nothing is appended.
    std::thread::sleep(Duration::from_millis(4500));
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
    let place = place_of(&server, "ledger", Duration::from_secs(10));
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

/// The server is there, its connections are open, and it says nothing: nobody waits for it without end.
#[test]
fn a_stopped_database_stops_the_ledger() {
    let Some(server) = Server::start() else { return };
    let place = place_of(&server, "ledger", Duration::from_secs(10));
    let ledger = place.open().unwrap();
    ledger.append(decision(0)).unwrap();
    let reader = Reader::open_postgres(&place.options).unwrap();
    assert_eq!(reader.size().unwrap(), 1);
    server.signal("STOP");
    let begun = Instant::now();
    let (appended, read, opened) = std::thread::scope(|scope| {
        let read = scope.spawn(|| reader.size());
        let opened = scope.spawn(|| Reader::open_postgres(&place.options).err());
        (ledger.append(decision(1)), read.join().unwrap(), opened.join().unwrap())
    });
    let StoreError::Stopped { cause } = appended.unwrap_err() else { panic!("it goes on") };
    assert!(cause.contains("said nothing for"), "{cause}");
    for error in [read.unwrap_err(), opened.unwrap()] {
        assert!(error.to_string().contains("said nothing for"), "{error}");
    }
    drop((ledger, reader));
    assert!(begun.elapsed() < Duration::from_secs(150), "{:?}", begun.elapsed());
    server.signal("CONT");
    // Nothing was acknowledged that is not there, and it goes on.
    let ledger = (0..60).find_map(|_| place.open().inspect_err(|_| std::thread::sleep(Duration::from_secs(1))).ok());
    ledger.unwrap().append(decision(2)).unwrap();
    assert!(place.verify().is_sound());
}

#[test]
fn other_schemas_and_formats_are_refused() {
    let Some(server) = Server::start() else { return };
    let place = place_of(&server, "ledger", Duration::from_secs(10));
    drop(place.open().unwrap());
    let mut admin = postgres::Client::connect(&place.options.connection, postgres::NoTls).unwrap();
    for version in [0i64, 2] {
        admin.execute("UPDATE ledger.meta SET version = $1", &[&version]).unwrap();
        assert!(matches!(place.open(), Err(StoreError::Version { found, expected: 1, .. }) if found == version));
    }
    admin.batch_execute("CREATE SCHEMA other; CREATE TABLE other.x(a int)").unwrap();
    assert!(matches!(place_of(&server, "other", Duration::ZERO).open(), Err(StoreError::Foreign { .. })));
    assert!(matches!(place_of(&server, "Other; DROP", Duration::ZERO).open(), Err(StoreError::Refused { .. })));
}
