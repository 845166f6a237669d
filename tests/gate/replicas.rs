//! Gates of one ledger in PostgreSQL, one of which writes: what any of them decides counts for all of them.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use portcullis::{DecideError, DecideOptions, Gate, Ledger, LedgerOptions, Outcome, ReplayResult, Replayer};
use portcullis_ledger::store::postgres::{Postgres, PostgresOptions};
use portcullis_ledger::verify_store;

use super::server::Server;
use super::site::{Site, engine, rate, request};

#[test]
fn a_rate_is_exact_across_replicas_and_survives_the_writer() {
    let Some(server) = Server::start() else { return };
    let site = Site::new();
    let place = |name: &str| PostgresOptions {
        connection: server.connection(),
        schema: "ledger".into(),
        holder: name.into(),
        lease: Duration::from_secs(1),
    };
    let gate = |name: &str| {
        let copies = [site.path().join(format!("{name}.checkpoint"))];
        let ledger =
            Ledger::join_postgres(&place(name), &site.path().join("key"), &copies, &LedgerOptions::default()).unwrap();
        Gate::new(site.set("set", "", &[rate(7)]), Arc::new(ledger), 64).unwrap()
    };
    let mut gates = ["one", "two", "three"].map(gate).into_iter().collect::<Vec<_>>();
    let writes = |gate: &Gate| gate.ledger().unwrap().writes();
    assert_eq!(gates.iter().filter(|gate| writes(gate)).count(), 1);
    let decide = |gates: &[Gate], threads: usize| -> Vec<portcullis::Recorded> {
        let barrier = Barrier::new(threads);
        std::thread::scope(|scope| {
            let one = |gate| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let request = request("payment-api");
                    barrier.wait();
                    Gate::decide(gate, request, &DecideOptions::default()).unwrap()
                })
            };
            let threads: Vec<_> = (0..threads).map(|n| one(&gates[n % gates.len()])).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    };
    // Fewer than the limit, then the writer is gone, then more than the limit.
    let mut all = decide(&gates, 6);
    gates.remove(gates.iter().position(writes).unwrap());
    all.extend(decide(&gates, 12));
    let proceeding = all.iter().filter(|recorded| recorded.permission().is_some()).count();
    let stopped = all.iter().filter(|recorded| recorded.outcome() == Outcome::Defer).count();
    assert_eq!((proceeding, stopped), (7, 11));
    assert!(all.iter().any(|recorded| recorded.tries() > 1), "nothing was decided at once: the test shows nothing");

    // One key is one decision, whichever is asked.
    let keyed = DecideOptions { idempotency_key: Some("key".into()), ..DecideOptions::default() };
    let ids = [0, 1, 0].map(|n| gates[n].decide(request("billing"), &keyed).unwrap().id());
    assert!(ids.iter().all(|id| *id == ids[0]));

    let reader = gates[0].ledger().unwrap().reader().unwrap();
    let replayer = Replayer::new(reader, engine().clone());
    for recorded in &all {
        assert_eq!(replayer.replay(recorded.id()).unwrap().result, ReplayResult::Match);
    }
    drop(gates);
    let found = verify_store(&mut Postgres::open_reader(&place("reader")).unwrap(), &[], None).unwrap();
    assert_eq!(found.problems, []);
}

/// What nobody wrote is in no ledger: it is no deny, and may be asked again.
#[test]
fn what_no_replica_wrote_is_an_overload() {
    let Some(server) = Server::start() else { return };
    let site = Site::new();
    let place = PostgresOptions {
        connection: server.connection(),
        schema: "ledger".into(),
        holder: "one".into(),
        lease: Duration::from_secs(3600),
    };
    let options = LedgerOptions { submit_wait: Duration::from_millis(1500), ..LedgerOptions::default() };
    let copies = [site.path().join("one.checkpoint")];
    let ledger = Ledger::join_postgres(&place, &site.path().join("key"), &copies, &options).unwrap();
    let gate = Gate::new(site.set("set", "", &[rate(7)]), Arc::new(ledger), 64).unwrap();
    assert!(gate.decide(request("payment-api"), &DecideOptions::default()).unwrap().permission().is_some());
    // Another has the lease, and writes nothing.
    server.sql("UPDATE ledger.lease SET ends = clock_timestamp() + interval '1 hour', epoch = epoch + 1");
    match gate.decide(request("payment-api"), &DecideOptions::default()) {
        Err(DecideError::Overloaded { reason }) => assert!(reason.contains("taken back"), "{reason}"),
        other => panic!("{:?}", other.map(|recorded| recorded.outcome())),
    }
    server.sql("UPDATE ledger.lease SET ends = clock_timestamp()");
    let decided = (0..20).find_map(|_| gate.decide(request("payment-api"), &DecideOptions::default()).ok());
    assert!(decided.is_some_and(|recorded| recorded.permission().is_some()));
}
