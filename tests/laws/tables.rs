//! What the gate decides for every shape of two levels, every choice of levels and every result, as tables.
//!
//! Each policy has each of the results abstain, each of the six outcomes as one finding, and fault, in
//! - every shape with up to three policies, at every enforcement level that the load rules accept;
//! - every rule over four policies, all of them at `deny`.
//!
//! It has abstain, allow, defer, deny and fault (with `PORTCULLIS_TABLES=full`, all eight) in
//! - every shape with four policies, at the levels `deny` and `warn`;
//! - the `all-of` of four policies at every level.

use std::collections::HashMap;
use std::sync::OnceLock;

use portcullis_gate::{Call, PolicyRun, decide, select};

use super::gate;
use super::generate::RANKS;
use super::oracle::{Case, Finding, Policy, Rank, Said};
use super::shapes::{Shape, shapes};

/// A shape, the level of each of its policies, and the decisions for all results.
pub struct Table {
    pub shape: Shape,
    pub levels: Vec<Rank>,
    choices: &'static [usize],
    entries: Vec<u8>,
}

/// Which of the eight results each policy has, three bits each, the first policy lowest.
pub type Results = usize;

/// The result of a policy that abstains. From 1 to 6: one finding, `allow` to `deny`.
pub const ABSTAIN: usize = 0;
/// The result of a policy that faults.
pub const FAULT: usize = 7;
/// How many different results a policy has.
pub const RESULTS: usize = 8;

/// What the gate decided for one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry(u8);

impl Entry {
    /// The outcome's rank, 0 to 5.
    pub fn rank(self) -> u8 {
        self.0 & 7
    }
    pub fn proceeds(self) -> bool {
        self.0 & 8 != 0
    }
    pub fn degraded(self) -> bool {
        self.0 & 16 != 0
    }
}

impl Table {
    /// Every combination of results.
    pub fn all(&self) -> impl Iterator<Item = Results> + use<> {
        combinations(self.choices, self.levels.len()).into_iter()
    }

    /// How many combinations of results.
    pub fn size(&self) -> usize {
        self.choices.len().pow(u32::try_from(self.levels.len()).unwrap())
    }

    /// The next stricter outcome than that of a policy's one finding.
    pub fn raised(&self, result: usize) -> Option<usize> {
        self.choices.iter().copied().find(|choice| result != ABSTAIN && result < *choice && *choice < FAULT)
    }

    pub fn get(&self, results: Results) -> Entry {
        Entry(self.entries[results])
    }

    /// Whether the policy counts as having applied.
    pub fn applies(&self, policy: usize, results: Results) -> bool {
        result(results, policy) != ABSTAIN && self.levels[policy] > Rank::Warn
    }

    /// For a failed assertion.
    pub fn show(&self, results: Results) -> String {
        let said: Vec<String> = (0..self.levels.len())
            .map(|policy| match result(results, policy) {
                ABSTAIN => format!("{:?}: abstain", self.levels[policy]),
                FAULT => format!("{:?}: fault", self.levels[policy]),
                rank => format!("{:?}: {:?}", self.levels[policy], RANKS[rank - 1]),
            })
            .collect();
        format!("{:?} of {said:?} is {:?}", self.shape, RANKS[usize::from(self.get(results).rank())])
    }
}

/// All tables, computed once for all tests.
pub fn tables() -> &'static HashMap<(Shape, Vec<Rank>), Table> {
    static TABLES: OnceLock<HashMap<(Shape, Vec<Rank>), Table>> = OnceLock::new();
    TABLES.get_or_init(|| {
        let sets = sets();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let tables: Vec<Table> = std::thread::scope(|scope| {
            // Every thread takes every n-th set, so that large and small ones are shared evenly.
            let work = |first: usize| sets.iter().skip(first).step_by(threads).map(fill).collect::<Vec<_>>();
            let running: Vec<_> = (0..threads).map(|first| scope.spawn(move || work(first))).collect();
            running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        tables.into_iter().map(|table| ((table.shape.clone(), table.levels.clone()), table)).collect()
    })
}

/// The result of one policy.
pub fn result(results: Results, policy: usize) -> usize {
    results >> (3 * policy) & 7
}

/// The same results with another one for one policy.
pub fn with(results: Results, policy: usize, result: usize) -> Results {
    results & !(7 << (3 * policy)) | result << (3 * policy)
}

/// The same results in another order: `order[n]` is the policy that becomes the n-th. May leave policies out.
pub fn reorder(results: Results, order: &[usize]) -> Results {
    order.iter().enumerate().fold(0, |all, (to, from)| with(all, to, result(results, *from)))
}

/// A set of that shape and levels in which each policy says what `results` says.
pub fn case(shape: &Shape, levels: &[Rank], results: Results) -> Case {
    let policies = levels.iter().enumerate().map(|(index, level)| policy(index, *level, result(results, index)));
    Case { policies: policies.collect(), root: shape.tree(), waivers: Vec::new() }
}

fn policy(index: usize, enforce: Rank, result: usize) -> Policy {
    let said = match result {
        ABSTAIN => Said::Abstain,
        FAULT => Said::Fault("fault.trap"),
        rank => {
            let code = format!("team.policy-{index}.said");
            Said::Findings(vec![Finding { rank: RANKS[rank - 1], code, requirement: None }])
        }
    };
    Policy { enforce, matches: true, said, obligations: Vec::new() }
}

/// Whether all results are computed for four policies too.
pub fn full() -> bool {
    std::env::var("PORTCULLIS_TABLES").is_ok_and(|tables| tables == "full")
}

/// Every set of the tables, each once, with the results that its policies have.
fn sets() -> Vec<(Shape, Vec<Rank>, &'static [usize])> {
    let mut sets = Vec::new();
    for shape in (1..=4).flat_map(shapes) {
        let small = shape.width() <= 3;
        let levels = shape.levels(if small || shape.is_plain() { &RANKS } else { &[Rank::Deny, Rank::Warn] });
        for levels in levels {
            let all = small || full() || shape.is_plain() && levels.iter().all(|level| *level == Rank::Deny);
            sets.push((shape.clone(), levels, if all { &ALL_RESULTS[..] } else { &FEWER_RESULTS[..] }));
        }
    }
    sets
}

fn fill((shape, levels, choices): &(Shape, Vec<Rank>, &'static [usize])) -> Table {
    let (set, request) = (gate::set(&case(shape, levels, 0)), gate::request());
    let selection = select(&set, &request);
    let run = |index: usize, result| gate::run(&policy(index, levels[index], result));
    let runs: Vec<Vec<PolicyRun>> =
        (0..levels.len()).map(|index| (0..RESULTS).map(|result| run(index, result)).collect()).collect();
    let mut entries = vec![0; RESULTS.pow(u32::try_from(levels.len()).unwrap())];
    for results in combinations(choices, levels.len()) {
        let runs = runs.iter().enumerate().map(|(index, runs)| Some(runs[result(results, index)].clone())).collect();
        let decision = decide(selection.clone(), Call::default(), runs);
        let flags = [(decision.proceeds(), 8), (decision.degraded(), 16)];
        let flags: u8 = flags.iter().map(|(flag, bit)| u8::from(*flag) * bit).sum();
        entries[results] = gate::rank(decision.outcome()) as u8 | flags;
    }
    Table { shape: shape.clone(), levels: levels.clone(), choices, entries }
}

/// Every choice of one result for each policy.
fn combinations(choices: &[usize], policies: usize) -> Vec<Results> {
    let place = |all: Vec<Results>, policy: usize| {
        all.iter().flat_map(|results| choices.iter().map(|choice| with(*results, policy, *choice))).collect()
    };
    (0..policies).fold(vec![0], place)
}

const ALL_RESULTS: [usize; RESULTS] = [ABSTAIN, 1, 2, 3, 4, 5, 6, FAULT];
const FEWER_RESULTS: [usize; 5] = [ABSTAIN, 1, 3, 6, FAULT];
