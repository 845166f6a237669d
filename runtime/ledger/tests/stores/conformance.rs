//! What every store must do; run for each.

use std::ops::Range;
use std::sync::Barrier;

use jiff::Timestamp;
use portcullis_gate::Outcome;
use portcullis_ledger::store::{HistoryAnswer, HistoryQuery, ListFilter, StoredPayload};
use portcullis_ledger::{
    Appended, Checkpoint, Edge, ErasedPart, Ledger, ProblemCode, StoreError, Verification, leaf_hash,
    verify_consistency, verify_inclusion,
};

use crate::sample::{activation, decided, decision, decision_on, erasure, id, keyed, moment, recorded, set_of};

/// A ledger that can be closed and opened again.
pub trait Place: Sync {
    fn open(&self) -> Result<Ledger, StoreError>;
    /// Of a closed ledger.
    fn verify(&self) -> Verification;
    /// What somebody does to the rows of a closed ledger. Gives how many it changed.
    fn tamper(&self, statement: &str) -> u64;
    /// Whether its ledgers can say that what was erased is gone.
    fn scrubs(&self) -> bool {
        true
    }
}

pub fn all(make: &dyn Fn() -> Box<dyn Place>) {
    type Check = fn(&dyn Place);
    let checks: [(&str, Check); 11] = [
        ("appends and reads", appends_and_reads),
        ("payloads", payloads_in_pieces),
        ("idempotency", idempotency),
        ("history", history),
        ("expected history", expected_history),
        ("listing", listing),
        ("refusals", refusals),
        ("erasure", erases),
        ("many threads", many_threads),
        ("an unsigned tail", unsigned_tail),
        ("an erasure beside a reader", erases_beside_a_reader),
    ];
    for (name, check) in checks {
        println!("{name}");
        let place = make();
        check(place.as_ref());
        let found = place.verify();
        assert_eq!(found.problems, [], "{name}");
    }
}

fn index(appended: Result<Appended, StoreError>) -> u64 {
    match appended.unwrap() {
        Appended::Committed(commit) => commit.index,
        other => panic!("{other:?}"),
    }
}

fn appends_and_reads(place: &dyn Place) {
    let ledger = place.open().unwrap();
    let mut edge = Edge::new();
    let entries: Vec<_> = std::iter::once(activation(0)).chain((1..40).map(decision)).collect();
    for (n, entry) in entries.iter().enumerate() {
        assert_eq!(index(ledger.append(entry.clone())), u64::try_from(n).unwrap());
        edge.push(leaf_hash(&entry.event.leaf), |_, _, _| {});
    }
    let note = ledger.checkpoint_of(40, std::time::Duration::from_secs(5)).unwrap();
    let checkpoint = Checkpoint::open(&note, ledger.verifier_key()).unwrap();
    assert_eq!((checkpoint.size(), checkpoint.root()), (40, edge.root()));
    let origin = ledger.origin().to_owned();
    drop(ledger);

    let ledger = place.open().unwrap();
    assert_eq!(ledger.origin(), origin);
    let reader = ledger.reader().unwrap();
    assert_eq!(reader.size().unwrap(), 40);
    let stored = || {
        let note = reader.with(|store| store.checkpoint()).unwrap().unwrap();
        Checkpoint::open(&note, ledger.verifier_key()).unwrap().size()
    };
    assert_eq!(stored(), 40);
    let events = reader.events(5..8).unwrap();
    assert_eq!(events.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [5, 6, 7]);
    assert_eq!(events[0].1.leaf, entries[5].event.leaf);
    assert_eq!(reader.find(id(17)).unwrap().unwrap(), (17, entries[17].event.leaf.clone()));
    assert_eq!(reader.find(id(99)).unwrap(), None);
    let present = StoredPayload::Present(entries[17].request.clone().unwrap());
    assert_eq!(reader.request_of(id(17)).unwrap(), Some(present));
    let present = StoredPayload::Present(entries[17].decision.clone().unwrap());
    assert_eq!(reader.decision_of(id(17)).unwrap(), Some(present));
    assert_eq!(reader.request_of(id(0)).unwrap(), None);
    for (index, entry) in (0..).zip(&entries) {
        let proof = reader.prove_inclusion(index, 40).unwrap();
        verify_inclusion(&leaf_hash(&entry.event.leaf), index, 40, &proof, &edge.root()).unwrap();
    }
    let proof = reader.prove_consistency(13, 40).unwrap();
    let mut old = Edge::new();
    entries[..13].iter().for_each(|entry| old.push(leaf_hash(&entry.event.leaf), |_, _, _| {}));
    verify_consistency(13, &old.root(), 40, &edge.root(), &proof).unwrap();
    assert!(matches!(reader.prove_inclusion(40, 40), Err(StoreError::Refused { .. })));
    assert_eq!(index(ledger.append(decision(40))), 40);
    assert_eq!(stored(), 41, "what was just appended can be proven by whoever reads the store");
}

/// Whoever reads everything has so many bytes at once as it asked for, and one event's more.
fn payloads_in_pieces(place: &dyn Place) {
    const EVENTS: u64 = 12;
    let ledger = place.open().unwrap();
    index(ledger.append(activation(0)));
    for n in 1..EVENTS {
        let pad = if n == 5 { 100_000 } else { 250 };
        index(ledger.append(recorded(n, &decided(n, "deploy", &set_of(1), pad))));
    }
    index(ledger.append(erasure(EVENTS, id(5), 5, &[ErasedPart::Request])));
    let reader = ledger.reader().unwrap();
    let read = |range: Range<u64>, enough| reader.with(|store| store.payloads(range.clone(), enough)).unwrap();
    let all = read(0..EVENTS + 1, u64::MAX >> 1).into_rows();
    assert_eq!(all.len(), 2 * usize::try_from(EVENTS - 1).unwrap());
    let bytes = |payload: &StoredPayload| match payload {
        StoredPayload::Present(payload) => payload.bytes.len() as u64,
        StoredPayload::Erased { bytes } => *bytes as u64,
    };
    for enough in [1, 1_000, 3_000, 50_000, 1_000_000] {
        let (mut start, mut found) = (0, Vec::new());
        while start <= EVENTS {
            let piece = read(start..EVENTS + 1, enough);
            let end = piece.end(&(start..EVENTS + 1));
            let piece = piece.into_rows();
            assert!(piece.iter().all(|(index, ..)| (start..end).contains(index)), "{start} to {end}");
            let before_last = piece.iter().filter(|(index, ..)| index + 1 < end);
            assert!(before_last.map(|(.., payload)| bytes(payload)).sum::<u64>() < enough, "{start} to {end}");
            assert!(end > start);
            found.extend(piece);
            start = end;
        }
        assert!(found == all, "in pieces of {enough} bytes: {} rows of {}", found.len(), all.len());
    }
}

fn idempotency(place: &dyn Place) {
    let ledger = place.open().unwrap();
    assert_eq!(index(ledger.append(keyed(1, "a"))), 0);
    assert_eq!(index(ledger.append(keyed(2, "b"))), 1);
    // The same request under the same key, decided again with another id.
    let again = |n: u64, key: &str| {
        let mut entry = keyed(n, key);
        entry.event.id = id(n + 1000);
        entry
    };
    let expected = StoredPayload::Present(keyed(1, "a").decision.unwrap());
    assert_eq!(
        ledger.append(again(1, "a")).unwrap(),
        Appended::Repeated { index: 0, decision: Some(expected.clone()) }
    );
    assert_eq!(ledger.append(again(3, "b")).unwrap(), Appended::Conflict { index: 1 });
    drop(ledger);
    let ledger = place.open().unwrap();
    assert_eq!(ledger.append(again(1, "a")).unwrap(), Appended::Repeated { index: 0, decision: Some(expected) });
    // At once: one is appended, the others get its answer.
    let barrier = Barrier::new(8);
    let answers: Vec<Appended> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    ledger.append(keyed(7, "c")).unwrap()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let committed = answers.iter().filter(|answer| matches!(answer, Appended::Committed(_))).count();
    let expected =
        Appended::Repeated { index: 2, decision: Some(StoredPayload::Present(keyed(7, "c").decision.unwrap())) };
    assert_eq!(committed, 1);
    assert_eq!(answers.iter().filter(|answer| **answer == expected).count(), 7);
    // Once the request is erased nobody can tell whether another is the same.
    assert_eq!(index(ledger.append(erasure(50, id(1), 0, &[ErasedPart::Request]))), 3);
    assert_eq!(ledger.append(again(1, "a")).unwrap(), Appended::Conflict { index: 0 });
}

fn query(
    action: Option<&str>,
    resource: Option<(&str, &str)>,
    outcomes: &[Outcome],
    from: u64,
    to: u64,
) -> HistoryQuery {
    HistoryQuery {
        action: action.map(str::to_owned),
        resource_type: resource.map(|(kind, _)| kind.to_owned()),
        resource_id: resource.map(|(_, id)| id.to_owned()),
        outcomes: outcomes.to_vec(),
        since: moment(from),
        until: moment(to),
    }
}

fn history(place: &dyn Place) {
    let ledger = place.open().unwrap();
    // Not in the order of time.
    for n in (0..60).rev() {
        ledger.append(decision(n)).unwrap();
    }
    let reader = ledger.reader().unwrap();
    let actions = [None, Some("action-1"), Some("action-9"), Some("")];
    let resources = [None, Some(("service", "service-2")), Some(("other", "service-2"))];
    let outcomes = [vec![], vec![Outcome::Deny], vec![Outcome::Allow, Outcome::Warn]];
    for action in actions {
        for resource in resources {
            for outcomes in &outcomes {
                for (from, to) in [(0, 60), (10, 31), (59, 60), (60, 90), (30, 30)] {
                    let matching: Vec<u64> = (from..to.min(60))
                        .filter(|n| action.is_none_or(|action| action == format!("action-{}", n % 3)))
                        .filter(|n| resource.is_none_or(|(kind, _)| kind == "service" && n % 5 == 2))
                        .filter(|n| {
                            outcomes.is_empty() || outcomes.contains(&Outcome::ALL[usize::try_from(n % 6).unwrap()])
                        })
                        .collect();
                    let expected = HistoryAnswer {
                        count: u64::try_from(matching.len()).unwrap(),
                        oldest: matching.first().map(|n| moment(*n)),
                        latest: matching.last().map(|n| moment(*n)),
                    };
                    let query = query(action, resource, outcomes, from, to);
                    assert_eq!(reader.history(&query).unwrap(), expected, "{query:?}");
                }
            }
        }
    }
}

/// A limit of 10 decisions, under 32 threads: what each saw before must still hold when it is written.
fn expected_history(place: &dyn Place) {
    let ledger = place.open().unwrap();
    let query = query(Some("action-0"), None, &[], 0, 100_000);
    let admitted = std::sync::atomic::AtomicU64::new(0);
    let changed = std::sync::atomic::AtomicU64::new(0);
    let order = std::sync::atomic::Ordering::Relaxed;
    std::thread::scope(|scope| {
        for thread in 0..32 {
            let (ledger, query, admitted, changed) = (&ledger, &query, &admitted, &changed);
            scope.spawn(move || {
                loop {
                    let now = ledger.reader().unwrap().history(query).unwrap();
                    if now.count >= 10 {
                        break;
                    }
                    let mut entry = decision(3 * thread);
                    entry.expected_history = vec![(query.clone(), now)];
                    match ledger.append(entry).unwrap() {
                        Appended::Committed(_) => {
                            admitted.fetch_add(1, order);
                            break;
                        }
                        Appended::HistoryChanged { question: 0, now } => {
                            assert!(now.count <= 10);
                            changed.fetch_add(1, order);
                        }
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
    });
    assert_eq!(admitted.into_inner(), 10);
    assert!(changed.into_inner() > 0, "nobody was in anybody's way");
    assert_eq!(ledger.reader().unwrap().size().unwrap(), 10);
}

fn listing(place: &dyn Place) {
    let ledger = place.open().unwrap();
    (0..30).for_each(|n| drop(ledger.append(decision(n)).unwrap()));
    let reader = ledger.reader().unwrap();
    let list = |filter: ListFilter, limit| {
        reader.list(&filter, limit).unwrap().into_iter().map(|found| found.index).collect::<Vec<_>>()
    };
    assert_eq!(list(ListFilter::default(), 3), [29, 28, 27]);
    assert_eq!(list(ListFilter { before: Some(3), ..ListFilter::default() }, 9), [2, 1, 0]);
    let filter = ListFilter {
        action: Some("action-2".to_owned()),
        outcomes: vec![Outcome::Deny],
        since: Some(moment(5)),
        until: Some(moment(23)),
        ..ListFilter::default()
    };
    assert_eq!(list(filter, 9), [17, 11, 5]);
    let all = reader.list(&ListFilter::default(), 100).unwrap();
    assert_eq!(Some(&all[4].columns), decision(25).event.columns.as_ref());
}

fn refusals(place: &dyn Place) {
    let ledger = place.open().unwrap();
    let refused = |entry| match ledger.append(entry) {
        Err(StoreError::Refused { problem }) => problem,
        other => panic!("{other:?}"),
    };
    let mut without = decision(0);
    without.blobs.clear();
    assert!(refused(without).contains("not stored"));
    assert_eq!(index(ledger.append(decision(0))), 0);
    assert!(refused(decision(0)).contains("already"));
    let mut without = decision(1);
    without.blobs.clear();
    assert_eq!(index(ledger.append(without)), 1, "its module is stored by now");
    let mut without = decision(2);
    without.request = None;
    refused(without);
    let mut large = decision(2);
    large.event.leaf = vec![b' '; 16 * 1024 + 1];
    refused(large);
    assert!(refused(erasure(3, id(1), 0, &[ErasedPart::Request])).contains("is not the decision"));
    assert!(refused(erasure(3, id(9), 9, &[ErasedPart::Request])).contains("is not the decision"));
    // Text that databases find difficult.
    let odd = decision_on(5, "a\0b'\u{10FFFF}");
    assert_eq!(index(ledger.append(odd)), 2);
    let query = query(Some("a\0b'\u{10FFFF}"), None, &[], 0, 100);
    assert_eq!(ledger.reader().unwrap().history(&query).unwrap().count, 1);
}

fn erases(place: &dyn Place) {
    let ledger = place.open().unwrap();
    (0..12).for_each(|n| drop(ledger.append(decision(n)).unwrap()));
    assert_eq!(index(ledger.append(erasure(12, id(3), 3, &[ErasedPart::Request]))), 12);
    let reader = ledger.reader().unwrap();
    let bytes = decision(3).request.unwrap().bytes.len();
    assert_eq!(reader.request_of(id(3)).unwrap(), Some(StoredPayload::Erased { bytes }));
    assert!(matches!(reader.decision_of(id(3)).unwrap(), Some(StoredPayload::Present(_))));
    let reason = portcullis_ledger::ErasureReason::Retention;
    let now = Timestamp::from_millisecond(crate::sample::EPOCH_MS + 60_000).unwrap();
    assert_eq!(reader.count_before(moment(8)).unwrap(), 8);
    assert_eq!(ledger.erase_before(moment(8), now, reason).unwrap().decisions, 8);
    assert_eq!(reader.count_before(moment(8)).unwrap(), 0);
    assert_eq!(ledger.erase_before(moment(8), now, reason).unwrap().decisions, 0, "nothing is erased twice");
    for n in 0..12 {
        let erased = matches!(reader.decision_of(id(n)).unwrap(), Some(StoredPayload::Erased { .. }));
        assert_eq!(erased, n < 8, "decision {n}");
    }
    assert_eq!(reader.size().unwrap(), 12 + 1 + 8);
    // The log still proves what was erased.
    let proof = reader.prove_inclusion(3, 21).unwrap();
    let note = ledger.checkpoint_of(21, std::time::Duration::from_secs(5)).unwrap();
    let root = Checkpoint::open(&note, ledger.verifier_key()).unwrap().root();
    verify_inclusion(&leaf_hash(&decision(3).event.leaf), 3, 21, &proof, &root).unwrap();
}

fn many_threads(place: &dyn Place) {
    let ledger = place.open().unwrap();
    let indexes: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16u64)
            .map(|thread| {
                let ledger = &ledger;
                scope
                    .spawn(move || (0..20).map(|n| index(ledger.append(decision(thread * 20 + n)))).collect::<Vec<_>>())
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let mut sorted = indexes.clone();
    sorted.sort_unstable();
    assert!(sorted.into_iter().eq(0..320));
    drop(ledger);
    assert_eq!(place.verify().size, 320);
}

/// Events that nobody signed, well-formed and with everything beside them: they are found, and not signed afterwards.
fn unsigned_tail(place: &dyn Place) {
    let unsigned = |what: &str| {
        let found = place.verify().problems;
        // What deleting a row left in its page is found too, where there are pages.
        let codes = found.iter().map(|problem| problem.code).filter(|code| *code != ProblemCode::Page);
        let codes: Vec<ProblemCode> = codes.collect();
        assert_eq!(codes, [ProblemCode::Checkpoint], "{what}: {found:?}");
        let error = place.open().err();
        assert!(matches!(error, Some(StoreError::StoredCheckpoint { .. })), "{what}: {error:?}");
    };
    let stored = |ledger: &Ledger| ledger.reader().unwrap().with(|store| store.checkpoint()).unwrap().unwrap();
    let set = |note: &str| format!("UPDATE checkpoint SET note = '{note}' WHERE no = 0");
    let ledger = place.open().unwrap();
    (0..3).for_each(|n| drop(ledger.append(decision(n)).unwrap()));
    let before = stored(&ledger);
    drop(ledger);
    let ledger = place.open().unwrap();
    ledger.append(keyed(3, "key")).unwrap();
    let after = stored(&ledger);
    drop(ledger);

    assert_eq!(place.tamper(&set(&before)), 1);
    unsigned("the last event is not signed");
    assert_eq!(place.tamper("DELETE FROM checkpoint WHERE no = 0"), 1);
    unsigned("nothing is signed");
    assert_eq!(place.tamper(&format!("INSERT INTO checkpoint(no, note) VALUES (0, '{after}')")), 1);
    assert_eq!(index(place.open().unwrap().append(decision(4))), 4);
}

/// Whoever reads for long delays nobody else's answer, and what was erased is gone once it ended.
fn erases_beside_a_reader(place: &dyn Place) {
    let ledger = place.open().unwrap();
    (0..4).for_each(|n| drop(ledger.append(decision(n)).unwrap()));
    let slowest = ledger
        .reader()
        .unwrap()
        .snapshot(|store| {
            assert_eq!(store.size()?, 4);
            let slowest = (4..24).map(|n| {
                let entry = if n == 4 { erasure(4, id(2), 2, &[ErasedPart::Request]) } else { decision(n) };
                let start = std::time::Instant::now();
                assert_eq!(index(ledger.append(entry)), n);
                // The reader is found in the way, and asked for again.
                std::thread::sleep(std::time::Duration::from_millis(70));
                start.elapsed()
            });
            Ok(slowest.max().unwrap())
        })
        .unwrap();
    assert!(slowest < std::time::Duration::from_secs(2), "{slowest:?}");
    let second = std::time::Duration::from_secs(1);
    let scrubbed = (0..if place.scrubs() { 20 } else { 1 })
        .any(|_| ledger.scrubbed(second) || (std::thread::sleep(second), false).1);
    assert_eq!(scrubbed, place.scrubs(), "what was erased is still beside the database");
}
