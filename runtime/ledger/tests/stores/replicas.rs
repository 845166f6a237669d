//! Any number of replicas decide, and one writes: what all of them bring, each once, whoever dies.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use portcullis_ledger::store::postgres::{Postgres, PostgresOptions};
use portcullis_ledger::store::{Entry, HistoryQuery};
use portcullis_ledger::{Appended, Ledger, LedgerOptions, StoreError, Verification, verify_store};

use crate::conformance::{Place, all};
use crate::sample::{decision, id, keyed, moment};
use crate::server::Server;

pub struct Site {
    pub options: PostgresOptions,
    pub files: tempfile::TempDir,
    pub submit_wait: Duration,
}

impl Site {
    pub fn new(server: &Server, schema: &str) -> Site {
        let options = PostgresOptions {
            connection: server.connection(),
            schema: schema.to_owned(),
            holder: "replica".to_owned(),
            lease: Duration::from_secs(2),
        };
        Site { options, files: tempfile::tempdir().unwrap(), submit_wait: Duration::from_secs(20) }
    }

    pub fn copy(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    pub fn join(&self, name: &str) -> Result<Ledger, StoreError> {
        let place = PostgresOptions { holder: name.to_owned(), ..self.options.clone() };
        let options = LedgerOptions { submit_wait: self.submit_wait, ..LedgerOptions::default() };
        Ledger::join_postgres(&place, &self.files.path().join("key"), &[self.copy(name)], &options)
    }

    pub fn verify(&self, copies: &[PathBuf]) -> Verification {
        verify_store(&mut Postgres::open_reader(&self.options).unwrap(), copies, None).unwrap()
    }
}

impl Place for Site {
    fn open(&self) -> Result<Ledger, StoreError> {
        self.join("one")
    }

    fn verify(&self) -> Verification {
        Site::verify(self, &[self.copy("one")])
    }
}

#[test]
fn a_replica_conforms() {
    let Some(server) = Server::start() else { return };
    let number = AtomicU64::new(0);
    all(&|| {
        let n = number.fetch_add(1, Ordering::Relaxed);
        Box::new(Site::new(&server, &format!("ledger_{n}")))
    });
}

/// A limit of 10, under 24 threads of three replicas, two of which cannot write.
#[test]
fn what_was_counted_holds_across_replicas() {
    let Some(server) = Server::start() else { return };
    let site = Site::new(&server, "ledger");
    let replicas = ["one", "two", "three"].map(|name| site.join(name).unwrap());
    assert_eq!(replicas.iter().filter(|replica| replica.writes()).count(), 1);
    let query = HistoryQuery {
        action: Some("action-0".to_owned()),
        resource_type: None,
        resource_id: None,
        outcomes: Vec::new(),
        since: moment(0),
        until: moment(100_000),
    };
    let (admitted, changed) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for thread in 0..24u64 {
            let (replica, query, admitted, changed) = (&replicas[thread as usize % 3], &query, &admitted, &changed);
            scope.spawn(move || {
                for n in 0..20 {
                    let told = replica.reader().unwrap().history(query).unwrap();
                    if told.count >= 10 {
                        return;
                    }
                    let mut entry = decision((thread * 20 + n) * 3);
                    entry.expected_history = vec![(query.clone(), told)];
                    match replica.append(entry).unwrap() {
                        Appended::Committed(_) => drop(admitted.fetch_add(1, Ordering::Relaxed)),
                        Appended::HistoryChanged { question: 0, now } => {
                            assert_ne!(now, told);
                            changed.fetch_add(1, Ordering::Relaxed);
                        }
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
    });
    assert_eq!(admitted.into_inner(), 10);
    assert!(changed.into_inner() > 0, "nobody was in anybody's way");
    assert_eq!(replicas[1].reader().unwrap().size().unwrap(), 10);
    drop(replicas);
    assert_eq!(Site::verify(&site, &["one", "two", "three"].map(|name| site.copy(name))).problems, []);
}

/// Under one key, however many replicas are asked, there is one decision.
#[test]
fn one_key_is_one_decision_across_replicas() {
    let Some(server) = Server::start() else { return };
    let site = Site::new(&server, "ledger");
    let replicas = ["one", "two", "three"].map(|name| site.join(name).unwrap());
    let ask = |replica: &Ledger, n: u64| {
        let mut entry = keyed(7, "key");
        entry.event.id = keyed(n, "key").event.id;
        // The id is in the event: each replica decided by itself.
        let event =
            portcullis_ledger::Event { id: id(n), ..portcullis_ledger::Event::decode(&entry.event.leaf).unwrap() };
        entry.event = Entry::new(&event).unwrap().event;
        replica.append(entry).unwrap()
    };
    let answers: Vec<Appended> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..12u64)
            .map(|n| {
                scope.spawn({
                    let (ask, replicas) = (&ask, &replicas);
                    move || ask(&replicas[n as usize % 3], 100 + n)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let committed = answers.iter().filter(|answer| matches!(answer, Appended::Committed(_))).count();
    let repeated =
        answers.iter().filter(|answer| matches!(answer, Appended::Repeated { index: 0, decision: Some(_) })).count();
    assert_eq!((committed, repeated), (1, 11));
}

/// Nobody writes: what was submitted is taken back, and is appended by nobody later.
#[test]
fn what_nobody_writes_is_taken_back() {
    let Some(server) = Server::start() else { return };
    let mut site = Site::new(&server, "ledger");
    site.submit_wait = Duration::from_millis(700);
    site.options.lease = Duration::from_secs(3600);
    let replica = {
        let _first = site.join("one").unwrap();
        site.join("two").unwrap()
    };
    assert!(!replica.writes());
    // Somebody has the lease, and is not there.
    let mut admin = postgres::Client::connect(&site.options.connection, postgres::NoTls).unwrap();
    admin
        .execute("UPDATE ledger.lease SET ends = clock_timestamp() + interval '1 hour', epoch = epoch + 1", &[])
        .unwrap();
    let start = Instant::now();
    match replica.append(decision(1)) {
        Err(StoreError::NotTaken { waited_ms: 700 }) => {}
        other => panic!("{other:?}"),
    }
    assert!(start.elapsed() < Duration::from_secs(5));
    let left: i64 = admin.query_one("SELECT count(*) FROM ledger.pending", &[]).unwrap().get(0);
    assert_eq!(left, 0);
    // A submission whose replica vanished: whoever writes next leaves it alone once it is late.
    admin
        .execute(
            "INSERT INTO ledger.pending(id, entry, submitted_by, ends) VALUES ('\\x00', '\\x00', 'gone', clock_timestamp())",
            &[],
        )
        .unwrap();
    admin.execute("UPDATE ledger.lease SET ends = clock_timestamp()", &[]).unwrap();
    let answer = (0..20).find_map(|_| replica.append(decision(2)).ok());
    assert!(matches!(answer, Some(Appended::Committed(commit)) if commit.index == 0), "{answer:?}");
    drop(replica);
    assert_eq!(Site::verify(&site, &[site.copy("two")]).size, 1);
}

/// Whoever can write to the database has nothing appended, and tells no replica that its entry is durable.
#[test]
fn rows_that_no_replica_sealed_are_not_believed() {
    let Some(server) = Server::start() else { return };
    let mut site = Site::new(&server, "ledger");
    site.options.lease = Duration::from_secs(3600);
    let replica = site.join("one").unwrap();
    let mut admin = postgres::Client::connect(&site.options.connection, postgres::NoTls).unwrap();
    for n in 0..3u8 {
        let text = "INSERT INTO ledger.pending(id, entry, submitted_by, ends) \
                    VALUES ($1, $2, 'x', clock_timestamp() + interval '1 minute')";
        admin.execute(text, &[&[n; 16].as_slice(), &vec![n; 40 * usize::from(n)]]).unwrap();
    }
    let left = |admin: &mut postgres::Client| -> i64 {
        admin.query_one("SELECT count(*) FROM ledger.pending WHERE answer IS NULL", &[]).unwrap().get(0)
    };
    assert!((0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        left(&mut admin) == 0
    }));
    assert_eq!(replica.reader().unwrap().size().unwrap(), 0);
    assert!(matches!(replica.append(decision(1)), Ok(Appended::Committed(commit)) if commit.index == 0));
    drop(replica);

    // Nobody writes, and somebody answers in the place of who should: with the answer to another submission.
    let replica = {
        let _writer = site.join("one").unwrap();
        site.join("two").unwrap()
    };
    admin
        .execute("UPDATE ledger.lease SET ends = clock_timestamp() + interval '1 hour', epoch = epoch + 1", &[])
        .unwrap();
    let answer: Vec<u8> =
        admin.query_one("SELECT answer FROM ledger.pending WHERE length(answer) > 32 LIMIT 1", &[]).unwrap().get(0);
    let answered = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| replica.append(decision(2)));
        while !waiting.is_finished() {
            admin.execute("UPDATE ledger.pending SET answer = $1 WHERE answer IS NULL", &[&answer]).unwrap();
            std::thread::sleep(Duration::from_millis(5));
        }
        waiting.join().unwrap()
    });
    match answered {
        Err(StoreError::Unknown { cause }) => assert!(cause.contains("no replica of this ledger gave"), "{cause}"),
        other => panic!("{other:?}"),
    }
}

/// A row that was captured and put back after its replica took it back, with a later end in its column, is not appended: the
/// caller was told that nothing was decided. What dead replicas left behind is forgotten.
#[test]
fn what_was_taken_back_is_not_appended_when_it_comes_again() {
    let Some(server) = Server::start() else { return };
    let mut site = Site::new(&server, "ledger");
    site.submit_wait = Duration::from_millis(700);
    site.options.lease = Duration::from_secs(3600);
    let replica = {
        let _first = site.join("one").unwrap();
        site.join("two").unwrap()
    };
    let mut admin = postgres::Client::connect(&site.options.connection, postgres::NoTls).unwrap();
    let lease = |admin: &mut postgres::Client, ends: &str| {
        admin.execute(&format!("UPDATE ledger.lease SET ends = clock_timestamp() + {ends}, epoch = epoch + 1"), &[])
    };
    lease(&mut admin, "interval '1 hour'").unwrap();
    let captured = std::thread::scope(|scope| {
        let told = scope.spawn(|| replica.append(decision(1)));
        let mut captured = None;
        while !told.is_finished() {
            let row = admin.query_opt("SELECT id, entry FROM ledger.pending WHERE answer IS NULL", &[]).unwrap();
            captured = row.map(|row| (row.get::<_, Vec<u8>>(0), row.get::<_, Vec<u8>>(1))).or(captured);
        }
        assert!(matches!(told.join().unwrap(), Err(StoreError::NotTaken { .. })));
        captured.unwrap()
    });
    let put =
        "INSERT INTO ledger.pending(id, entry, submitted_by, ends) VALUES ($1, $2, 'two', clock_timestamp() + $3)";
    let put = put.replace("$3", "interval '1 hour'");
    admin.execute(&put, &[&captured.0, &captured.1]).unwrap();
    let left_behind = "INSERT INTO ledger.pending(id, entry, submitted_by, ends) \
                       VALUES ('\\x01', 'a request', 'dead', clock_timestamp() - interval '1 minute')";
    admin.execute(left_behind, &[]).unwrap();
    lease(&mut admin, "interval '0'").unwrap();
    let answer = (0..20).find_map(|_| replica.append(decision(2)).ok());
    assert!(matches!(answer, Some(Appended::Committed(_))), "{answer:?}");
    let count = |admin: &mut postgres::Client, what: &str| -> i64 {
        admin.query_one(&format!("SELECT count(*) FROM ledger.pending WHERE {what}"), &[]).unwrap().get(0)
    };
    // It is answered, with a refusal, and its bytes are gone.
    assert!((0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        count(&mut admin, "answer IS NULL") == 0 && count(&mut admin, "entry = 'a request'") == 0
    }));
    assert_eq!(replica.reader().unwrap().find(id(1)).unwrap(), None);
    assert_eq!(replica.reader().unwrap().size().unwrap(), 1);
    drop(replica);
    assert_eq!(Site::verify(&site, &[site.copy("two")]).size, 1);
}

const SITE: &str = "PORTCULLIS_REPLICA";

/// A replica in a process of its own, which is killed: says `writes`, and `ack INDEX N` for each durable decision.
#[test]
#[ignore = "started by the replica tests"]
fn replica() {
    let Ok(text) = std::env::var(SITE) else { return };
    let [connection, files, name, first] = text.split('|').collect::<Vec<_>>().try_into().unwrap();
    let place = PostgresOptions {
        connection: connection.to_owned(),
        schema: "ledger".to_owned(),
        holder: name.to_owned(),
        lease: Duration::from_secs(1),
    };
    let options = LedgerOptions { submit_wait: Duration::from_secs(30), ..LedgerOptions::default() };
    let files = Path::new(files);
    let ledger = Ledger::join_postgres(&place, &files.join("key"), &[files.join(name)], &options).unwrap();
    let say = |line: String| std::io::stdout().write_all(format!("\n{line}\n").as_bytes()).unwrap();
    let (next, first): (Mutex<u64>, u64) = (Mutex::new(0), first.parse().unwrap());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let n = {
                        let mut next = next.lock().unwrap();
                        *next += 1;
                        first + *next
                    };
                    if ledger.writes() {
                        say("writes".to_owned());
                    }
                    match ledger.append(decision(n)) {
                        Ok(Appended::Committed(commit)) => say(format!("ack {} {n}", commit.index)),
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
    });
}

struct Running {
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
    acknowledged: Vec<(u64, u64)>,
    writes: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Killed or not: it does not outlive the test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(site: &Site, name: &str, first: u64) -> Running {
        let text = format!("{}|{}|{name}|{first}", site.options.connection, site.files.path().display());
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["replicas::replica", "--exact", "--ignored", "--nocapture"])
            .env(SITE, text)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, lines) = std::sync::mpsc::channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Running { child, lines, acknowledged: Vec::new(), writes: false }
    }

    fn read(&mut self) {
        let lines: Vec<String> = self.lines.try_iter().collect();
        lines.iter().for_each(|line| self.said(line));
    }

    fn said(&mut self, line: &str) {
        self.writes |= line == "writes";
        if let Some((index, n)) = line.strip_prefix("ack ").and_then(|rest| rest.split_once(' ')) {
            self.acknowledged.push((index.parse().unwrap(), n.parse().unwrap()));
        }
    }

    /// Reads until that many more are acknowledged.
    fn more(&mut self, count: usize) {
        let enough = self.acknowledged.len() + count;
        let start = Instant::now();
        while self.acknowledged.len() < enough {
            self.read();
            assert!(self.child.try_wait().unwrap().is_none(), "the replica ended");
            assert!(start.elapsed() < Duration::from_secs(60), "{} of {enough}", self.acknowledged.len());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        // To the end of what it said.
        while let Ok(line) = self.lines.recv() {
            self.said(&line);
        }
    }
}

/// Which of them writes.
fn writer(running: &mut [Running]) -> usize {
    let start = Instant::now();
    loop {
        running.iter_mut().for_each(Running::read);
        if let Some(at) = running.iter().position(|replica| replica.writes) {
            return at;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "nobody writes");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Three processes; whoever writes is killed, twice. What any of them was told is stored, once, where it was told.
#[test]
fn whoever_writes_is_killed_and_nothing_is_lost_or_doubled() {
    let Some(server) = Server::start() else { return };
    let mut site = Site::new(&server, "ledger");
    site.options.lease = Duration::from_secs(1);
    // The key is there before the replicas are.
    drop(site.join("first").unwrap());
    let mut running: Vec<Running> =
        (0..3).map(|n| Running::start(&site, &format!("replica-{n}"), (n + 1) * 1_000_000)).collect();
    let mut dead = Vec::new();
    for _ in 0..2 {
        running.iter_mut().for_each(|replica| replica.more(30));
        let at = writer(&mut running);
        let mut writer = running.remove(at);
        writer.kill();
        dead.push(writer);
    }
    let mut last = running.remove(0);
    last.more(30);
    last.kill();
    dead.push(last);
    let mut stored: BTreeMap<u64, u64> = BTreeMap::new();
    let mut store = Postgres::open_reader(&site.options).unwrap();
    use portcullis_ledger::store::ReadStore as _;
    for (index, n) in dead.iter().flat_map(|replica| &replica.acknowledged) {
        assert_eq!(stored.insert(*n, *index), None, "{n} was told twice");
        assert_eq!(store.find(id(*n)).unwrap(), Some(*index), "decision {n} was acknowledged");
    }
    let found = Site::verify(&site, &[]);
    assert_eq!(found.problems, []);
    // Ids are unique in the store, so an entry is there once or not at all.
    let told = u64::try_from(stored.len()).unwrap();
    println!("{told} acknowledged, {} stored, by {} replicas", found.size, dead.len());
    // At most what was under way when a replica died was stored without being told.
    assert!(found.size >= told && found.size - told <= 12, "{told} of {}", found.size);
}
