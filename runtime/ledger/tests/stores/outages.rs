//! Replicas and servers that sleep, vanish and come back, and replicas that begin at once.

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use portcullis_ledger::store::postgres::{Postgres, PostgresReaders};
use portcullis_ledger::store::{Listen, OpenReader, ReadStore};
use portcullis_ledger::{Appended, Ledger, LedgerOptions, Reader, StoreError};

use crate::replicas::Site;
use crate::sample::decision;
use crate::server::Server;

fn admin(site: &Site) -> postgres::Client {
    postgres::Client::connect(&site.options.connection, postgres::NoTls).unwrap()
}

/// Somebody has the lease for an hour, and is not there.
fn take_away_the_lease(admin: &mut postgres::Client) {
    let text = "UPDATE ledger.lease SET ends = clock_timestamp() + interval '1 hour', epoch = epoch + 1";
    admin.execute(text, &[]).unwrap();
}

/// Whoever is first makes the key, and the others find it.
#[test]
fn replicas_that_join_for_the_first_time_at_once_have_one_key() {
    let Some(server) = Server::start() else { return };
    for round in 0..4u64 {
        let site = Site::new(&server, &format!("ledger_{round}"));
        let start = Barrier::new(4);
        let replicas: Vec<Ledger> = std::thread::scope(|scope| {
            let join = |n: u64| {
                let (site, start) = (&site, &start);
                scope.spawn(move || {
                    start.wait();
                    site.join(&n.to_string()).unwrap()
                })
            };
            let threads: Vec<_> = (0..4).map(join).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for (n, replica) in (0u64..).zip(&replicas) {
            assert!(matches!(replica.append(decision(n)), Ok(Appended::Committed(_))));
        }
        drop(replicas);
        // Each opens again, as the one that writes.
        for n in 0..4 {
            assert!(site.join(&n.to_string()).unwrap().writes());
        }
    }
}

/// A replica that slept for so long that its submission was forgotten: its caller is told, and it ends.
#[test]
fn a_submission_whose_row_is_gone_is_answered() {
    let Some(server) = Server::start() else { return };
    let mut site = Site::new(&server, "ledger");
    site.submit_wait = Duration::from_millis(500);
    site.options.lease = Duration::from_secs(3600);
    let replica = {
        let _first = site.join("one").unwrap();
        site.join("two").unwrap()
    };
    let mut admin = admin(&site);
    take_away_the_lease(&mut admin);
    let (told, answer) = std::sync::mpsc::channel();
    let start = Instant::now();
    std::thread::spawn(move || {
        let answer = replica.append(decision(1));
        drop(replica);
        told.send(answer).unwrap();
    });
    while admin.execute("DELETE FROM ledger.pending", &[]).unwrap() == 0 {
        assert!(start.elapsed() < Duration::from_secs(10), "nothing was submitted");
        std::thread::sleep(Duration::from_millis(5));
    }
    match answer.recv_timeout(Duration::from_secs(10)) {
        Ok(Err(error @ StoreError::Unknown { .. })) => assert!(error.to_string().contains("unknown"), "{error}"),
        other => panic!("{other:?}"),
    }
}

/// Waiting for an answer costs a query now and then, not one after the other.
#[test]
fn waiting_for_an_answer_asks_seldom() {
    let Some(server) = Server::start() else { return };
    let mut site = Site::new(&server, "ledger");
    site.submit_wait = Duration::from_secs(2);
    site.options.lease = Duration::from_secs(3600);
    let replica = {
        let _first = site.join("one").unwrap();
        site.join("two").unwrap()
    };
    take_away_the_lease(&mut admin(&site));
    server.log_statements(true);
    let before = server.logged("WHERE id = ANY($1) AND answer IS NOT NULL");
    assert!(matches!(replica.append(decision(1)), Err(StoreError::NotTaken { .. })));
    let asked = server.logged("WHERE id = ANY($1) AND answer IS NOT NULL") - before;
    assert!((2..=40).contains(&asked), "{asked} times in 2 s");
}

/// Where the one who writes is gone, and whoever renewed its lease is not, the lease still ends.
#[test]
fn a_lease_that_was_given_back_or_ended_is_not_renewed() {
    let Some(server) = Server::start() else { return };
    let mut site = Site::new(&server, "ledger");
    site.options.lease = Duration::from_millis(400);
    drop(site.join("one").unwrap());
    let writer = Postgres::open(&site.options).unwrap().unwrap();
    let renewing = PostgresReaders::new(site.options.clone(), &writer);
    renewing.tend().unwrap();
    drop(writer);
    assert!(matches!(renewing.tend(), Err(StoreError::Lapsed { .. })));
    // Taken at once: it was given back.
    let writer = Postgres::open(&site.options).unwrap().unwrap();
    assert!(matches!(renewing.tend(), Err(StoreError::Fenced { .. })));
    let renewing = PostgresReaders::new(site.options.clone(), &writer);
    renewing.tend().unwrap();
    std::thread::sleep(Duration::from_millis(600));
    assert!(matches!(renewing.tend(), Err(StoreError::Lapsed { .. })));
}

/// As [`PostgresReaders`], but that nobody can be told of submissions.
struct Deaf(PostgresReaders);

impl OpenReader for Deaf {
    fn open_reader(&self) -> Result<Box<dyn ReadStore>, StoreError> {
        self.0.open_reader()
    }

    fn listen(&self) -> Result<Option<Box<dyn Listen>>, StoreError> {
        Err(StoreError::Refused { problem: "deaf".to_owned() })
    }

    fn tend_interval(&self) -> Duration {
        self.0.tend_interval()
    }

    fn tend(&self) -> Result<(), StoreError> {
        self.0.tend()
    }

    fn prepare_scrub(&self) -> Result<(), StoreError> {
        self.0.prepare_scrub()
    }
}

/// What fails after its threads began leaves none behind that holds the lease.
#[test]
fn a_ledger_that_does_not_start_gives_its_lease_back() {
    let Some(server) = Server::start() else { return };
    let mut site = Site::new(&server, "ledger");
    drop(site.join("one").unwrap());
    site.options.lease = Duration::from_secs(2);
    let store = Postgres::open(&site.options).unwrap().unwrap();
    let deaf = Arc::new(Deaf(PostgresReaders::new(site.options.clone(), &store)));
    let (key, copies) = (site.copy("key"), vec![site.copy("one")]);
    let started = Ledger::start(Box::new(store), deaf, &key, copies, &LedgerOptions::default());
    assert!(matches!(started.map(|_| ()), Err(StoreError::Refused { problem }) if problem == "deaf"));
    // Longer than from one renewal to the next, and not as long as the lease.
    std::thread::sleep(Duration::from_millis(1200));
    drop(Postgres::open(&site.options).unwrap().unwrap());
}

/// A replica that looks on keeps its connections.
#[test]
fn a_replica_that_does_not_write_makes_no_new_connections() {
    let Some(server) = Server::start() else { return };
    server.set("log_connections", "on");
    let mut site = Site::new(&server, "ledger");
    site.options.lease = Duration::from_secs(3);
    let one = site.join("one").unwrap();
    let two = site.join("two").unwrap();
    two.append(decision(1)).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let before = server.connections_made();
    assert!(before >= 4, "they are counted: {before}");
    // A look each 750 ms.
    std::thread::sleep(Duration::from_millis(3100));
    assert_eq!(server.connections_made(), before);
    assert!(one.writes() && !two.writes());
    assert_eq!(two.takeover_problem(), None);
    // And it follows: its copy is what is stored.
    one.append(decision(2)).unwrap();
    let start = Instant::now();
    let stored = two.checkpoint_of(2, Duration::ZERO).unwrap();
    while std::fs::read_to_string(site.copy("two")).unwrap() != stored {
        assert!(start.elapsed() < Duration::from_secs(10), "the copy does not follow");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// More readers than the server takes connections: they wait for each other.
#[test]
fn many_readers_share_few_connections() {
    let Some(server) = Server::start() else { return };
    server.set("max_connections", "24");
    let site = Site::new(&server, "ledger");
    let ledger = site.join("one").unwrap();
    ledger.append(decision(1)).unwrap();
    let (start, reader) = (Barrier::new(64), ledger.reader().unwrap());
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                start.wait();
                for _ in 0..5 {
                    assert_eq!(reader.size().unwrap(), 1);
                }
            });
        }
    });
    let text = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'";
    let open: i64 = admin(&site).query_one(text, &[]).unwrap().get(0);
    // Beside those of the reader: submitter, sequencer, publisher, collector, and the one that asks.
    assert!(open <= 8 + 5, "{open}");
}

/// Connections that were kept are gone after the server was: who reads next does not notice.
#[test]
fn readers_outlive_the_server() {
    let Some(server) = Server::start() else { return };
    let site = Site::new(&server, "ledger");
    drop(site.join("one").unwrap());
    let reader = Reader::open_postgres(&site.options).unwrap();
    for round in 0..2 {
        let full = Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let read = reader.with(|store| {
                        let size = store.size();
                        // Eight at once, so that eight are kept.
                        if round == 0 {
                            full.wait();
                        }
                        size
                    });
                    assert_eq!(read.unwrap(), 0, "round {round}");
                });
            }
        });
        server.kill();
        server.begin();
        // One after the other, each with what was kept.
        for n in 0..10 {
            assert_eq!(reader.size().unwrap(), 0, "reading {n} of round {round}");
        }
    }
}

/// Somebody holds the lock on the lease and is not heard of again: whoever waits for it gives up, and so does the server.
#[test]
fn a_lock_on_the_lease_is_not_waited_for() {
    let Some(server) = Server::start() else { return };
    let site = Site::new(&server, "ledger");
    drop(site.join("one").unwrap());
    let (mut holder, mut admin) = (admin(&site), admin(&site));
    holder.batch_execute("BEGIN; SELECT epoch FROM ledger.lease FOR UPDATE").unwrap();
    let error = Postgres::open(&site.options).err().unwrap();
    assert!(error.to_string().contains("lock timeout"), "{error}");
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    assert_eq!(admin.query_one(waiting, &[]).unwrap().get::<_, i64>(0), 0);
    holder.batch_execute("ROLLBACK").unwrap();
    assert!(Postgres::open(&site.options).unwrap().is_some());
}

/// A statement that is wrong is not the connection's fault: it is not tried again.
#[test]
fn what_failed_over_a_good_connection_is_not_tried_again() {
    let Some(server) = Server::start() else { return };
    let site = Site::new(&server, "ledger");
    drop(site.join("one").unwrap());
    let reader = Reader::open_postgres(&site.options).unwrap();
    assert_eq!(reader.size().unwrap(), 0);
    admin(&site).batch_execute("ALTER TABLE ledger.events RENAME TO elsewhere").unwrap();
    let mut tries = 0;
    let failed = reader.with(|store| {
        tries += 1;
        store.leaf(0)
    });
    assert!(matches!(failed, Err(StoreError::Database { .. })));
    assert_eq!(tries, 1);
}
