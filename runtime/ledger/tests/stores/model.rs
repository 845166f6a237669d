//! Any sequence of appending, repeating, erasing, reading and opening again, beside a model that fits on a page.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use portcullis_ledger::store::{HistoryQuery, ListFilter, StoredPayload};
use portcullis_ledger::{
    Appended, Checkpoint, Edge, ErasedPart, Ledger, LedgerOptions, StoreError, default_copies, leaf_hash, verify_file,
};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

use crate::sample::{decision, erasure, id, keyed, moment};

/// Few decisions and fewer keys, so that sequences come back to what is there.
const DECISIONS: u64 = 10;
const KEYS: [&str; 3] = ["a", "b", "c"];

/// What is done.
#[derive(Clone, Debug)]
enum Step {
    Append(u64),
    AppendKeyed(u64, &'static str),
    Erase(u64, Vec<ErasedPart>),
    Open,
    Verify,
}

/// What must be answered.
#[derive(Clone, Debug, PartialEq)]
enum Answer {
    Committed(u64),
    Repeated { index: u64, erased: bool },
    Conflict(u64),
    Refused,
}

#[derive(Clone, Debug)]
struct Stored {
    index: u64,
    request_erased: bool,
    decision_erased: bool,
}

/// A ledger without a disk.
#[derive(Clone, Debug, Default)]
struct Model {
    size: u64,
    decisions: BTreeMap<u64, Stored>,
    /// A key's decision.
    keys: BTreeMap<&'static str, u64>,
    last: Option<Answer>,
}

impl Model {
    fn append(&mut self, n: u64) -> Answer {
        if self.decisions.contains_key(&n) {
            return Answer::Refused;
        }
        let stored = Stored { index: self.size, request_erased: false, decision_erased: false };
        self.decisions.insert(n, stored);
        self.size += 1;
        Answer::Committed(self.size - 1)
    }

    fn append_keyed(&mut self, n: u64, key: &'static str) -> Answer {
        if let Some(earlier) = self.keys.get(key) {
            let stored = &self.decisions[earlier];
            return if *earlier == n && !stored.request_erased {
                Answer::Repeated { index: stored.index, erased: stored.decision_erased }
            } else {
                Answer::Conflict(stored.index)
            };
        }
        let answer = self.append(n);
        if answer != Answer::Refused {
            self.keys.insert(key, n);
        }
        answer
    }

    fn erase(&mut self, n: u64, parts: &[ErasedPart]) -> Answer {
        let Some(stored) = self.decisions.get_mut(&n) else { return Answer::Refused };
        stored.request_erased |= parts.contains(&ErasedPart::Request);
        stored.decision_erased |= parts.contains(&ErasedPart::Decision);
        self.size += 1;
        Answer::Committed(self.size - 1)
    }
}

impl ReferenceStateMachine for Model {
    type State = Model;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Model> {
        Just(Model::default()).boxed()
    }

    fn transitions(_: &Model) -> BoxedStrategy<Step> {
        let parts = prop::sample::subsequence(vec![ErasedPart::Request, ErasedPart::Decision], 1..=2);
        prop_oneof![
            4 => (0..DECISIONS).prop_map(Step::Append),
            6 => (0..DECISIONS, prop::sample::select(&KEYS)).prop_map(|(n, key)| Step::AppendKeyed(n, key)),
            3 => (0..DECISIONS, parts).prop_map(|(n, parts)| Step::Erase(n, parts)),
            2 => Just(Step::Open),
            1 => Just(Step::Verify),
        ]
        .boxed()
    }

    fn apply(mut model: Model, step: &Step) -> Model {
        model.last = match step {
            Step::Append(n) => Some(model.append(*n)),
            Step::AppendKeyed(n, key) => Some(model.append_keyed(*n, key)),
            Step::Erase(n, parts) => Some(model.erase(*n, parts)),
            Step::Open | Step::Verify => None,
        };
        model
    }
}

/// The ledger that is compared with the model.
struct Real {
    _folder: tempfile::TempDir,
    path: PathBuf,
    ledger: Option<Ledger>,
    edge: Edge,
    /// Ids of erasures: one each.
    next_id: u64,
}

impl Real {
    fn open(&mut self) {
        drop(self.ledger.take());
        self.ledger = Some(Ledger::open(&self.path, &LedgerOptions::default()).unwrap());
    }
}

struct Compared;

impl StateMachineTest for Compared {
    type SystemUnderTest = Real;
    type Reference = Model;

    fn init_test(_: &Model) -> Real {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut real = Real { _folder: folder, path, ledger: None, edge: Edge::new(), next_id: 1000 };
        real.open();
        real
    }

    fn apply(mut real: Real, model: &Model, step: Step) -> Real {
        let entry = match &step {
            Step::Append(n) => decision(*n),
            Step::AppendKeyed(n, key) => keyed(*n, key),
            Step::Erase(n, parts) => {
                real.next_id += 1;
                let index = model.decisions.get(n).map_or(0, |stored| stored.index);
                erasure(real.next_id, id(*n), index, parts)
            }
            Step::Open => {
                real.open();
                return real;
            }
            Step::Verify => {
                drop(real.ledger.take());
                let found = verify_file(&real.path, &default_copies(&real.path), None).unwrap();
                assert_eq!((found.size, found.problems), (model.size, Vec::new()));
                real.open();
                return real;
            }
        };
        let leaf = leaf_hash(&entry.event.leaf);
        let answer = match real.ledger.as_ref().unwrap().append(entry) {
            Ok(Appended::Committed(commit)) => {
                real.edge.push(leaf, |_, _, _| {});
                Answer::Committed(commit.index)
            }
            Ok(Appended::Repeated { index, decision: Some(StoredPayload::Present(payload)) }) => {
                let stored = model.decisions.iter().find(|(_, stored)| stored.index == index).unwrap();
                assert_eq!(payload, decision(*stored.0).decision.unwrap(), "the decision that was repeated");
                Answer::Repeated { index, erased: false }
            }
            Ok(Appended::Repeated { index, decision: Some(StoredPayload::Erased { .. }) }) => {
                Answer::Repeated { index, erased: true }
            }
            Ok(Appended::Conflict { index }) => Answer::Conflict(index),
            Err(StoreError::Refused { .. }) => Answer::Refused,
            other => panic!("{step:?}: {other:?}"),
        };
        assert_eq!(Some(answer), model.last, "{step:?}");
        real
    }

    fn check_invariants(real: &Real, model: &Model) {
        let ledger = real.ledger.as_ref().unwrap();
        let reader = ledger.reader().unwrap();
        assert_eq!(reader.size().unwrap(), model.size);
        let note = ledger.checkpoint_of(model.size, Duration::from_secs(5)).unwrap();
        let checkpoint = Checkpoint::open(&note, ledger.verifier_key()).unwrap();
        assert_eq!((checkpoint.size(), checkpoint.root()), (model.size, real.edge.root()));
        for n in 0..DECISIONS {
            let stored = model.decisions.get(&n);
            let found = reader.find(id(n)).unwrap().map(|(index, _)| index);
            assert_eq!(found, stored.map(|stored| stored.index), "decision {n}");
            let erased = |payload| match payload {
                Some(StoredPayload::Erased { .. }) => Some(true),
                Some(StoredPayload::Present(_)) => Some(false),
                None => None,
            };
            let request = erased(reader.request_of(id(n)).unwrap());
            assert_eq!(request, stored.map(|stored| stored.request_erased), "the request of {n}");
            let decision = erased(reader.decision_of(id(n)).unwrap());
            assert_eq!(decision, stored.map(|stored| stored.decision_erased), "the decision {n}");
        }
        let mut latest: Vec<u64> = model.decisions.values().map(|stored| stored.index).collect();
        latest.sort_unstable_by(|a, b| b.cmp(a));
        let listed = reader.list(&ListFilter::default(), 100).unwrap();
        assert!(listed.iter().map(|found| found.index).eq(latest));
        let everything = HistoryQuery {
            action: None,
            resource_type: None,
            resource_id: None,
            outcomes: Vec::new(),
            since: moment(0),
            until: moment(DECISIONS),
        };
        // Erasing what was asked does not change how often it was asked.
        assert_eq!(reader.history(&everything).unwrap().count, u64::try_from(model.decisions.len()).unwrap());
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn follows_the_model(sequential 1..40 => Compared);
}
