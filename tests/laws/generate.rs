//! Cases: policy sets that the load rules accept, up to three levels of nodes, with what each policy said.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::oracle::{Case, Finding, Policy, Rank, Rule, Said, Tree, Waiver};

/// Every rank, from the most lenient.
pub const RANKS: [Rank; 6] = [Rank::Allow, Rank::Warn, Rank::Defer, Rank::Acknowledge, Rank::Escalate, Rank::Deny];

/// Faults that policies have; one of each kind is enough, the gate treats them alike or the vectors say so.
pub const FAULTS: [&str; 5] = ["fault.fuel", "fault.answer", "fault.history", "fault.host", "load.pin"];

const CODES: [&str; 3] = ["team.law.a", "team.law.b", "team.law.c"];
const REQUIREMENTS: [&str; 4] = ["acknowledge", "approve", "provide", "wait-until"];
const KINDS: [&str; 2] = ["notify", "tag"];

/// One case. Shrinks to fewer members, fewer findings and lower ranks.
pub fn cases() -> impl Strategy<Value = Case> {
    let members = node(prop_oneof![3 => leaf(), 1 => node(prop_oneof![3 => leaf(), 1 => node(leaf())])]);
    members.prop_map(assemble)
}

/// A policy as a member to add; below anything but `all-of` its level has to be lifted.
pub fn policies() -> impl Strategy<Value = Policy> {
    leaf().prop_map(|sketch| match sketch {
        Sketch::Leaf { policy, .. } => policy,
        Sketch::Node { .. } => panic!("a leaf is a leaf"),
    })
}

/// How many cases the second implementation is compared on.
pub fn number_of_cases() -> u32 {
    variable("PORTCULLIS_CASES").unwrap_or(20_000)
}

/// Checks generated cases, the same ones in every run; returns how many. A failure shows the smallest case found, and
/// the seed.
pub fn check<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value)) -> u32 {
    let seed = variable("PORTCULLIS_SEED").unwrap_or(8);
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let ran = std::cell::Cell::new(0);
    let outcome = runner.run(&strategy, |case| {
        test(case);
        ran.set(ran.get() + 1);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("PORTCULLIS_SEED={seed}: {failure}");
    }
    ran.get()
}

fn variable(name: &str) -> Option<u32> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// A tree with everything about a leaf inside it, so that shrinking takes a policy out whole.
#[derive(Clone, Debug)]
enum Sketch {
    Leaf { policy: Policy, place: u8, waivers: Vec<(u8, Waiver)> },
    Node { rule: RuleSketch, matches: bool, members: Vec<Sketch> },
}

/// A leaf of a sketch: its policy, its place in the manifest's order, and its waivers with theirs.
type Placed = (Policy, u8, Vec<(u8, Waiver)>);

#[derive(Clone, Copy, Debug)]
enum RuleSketch {
    AllOf,
    /// Of the members, one more than this share.
    AtLeast(u8),
    AnyOf,
    FirstOf,
}

fn node(member: impl Strategy<Value = Sketch> + 'static) -> BoxedStrategy<Sketch> {
    let rule = prop_oneof![
        3 => Just(RuleSketch::AllOf),
        1 => any::<u8>().prop_map(RuleSketch::AtLeast),
        1 => Just(RuleSketch::AnyOf),
        1 => Just(RuleSketch::FirstOf),
    ];
    (rule, prop::bool::weighted(0.95), prop::collection::vec(member, 1..5))
        .prop_map(|(rule, matches, members)| Sketch::Node { rule, matches, members })
        .boxed()
}

fn leaf() -> BoxedStrategy<Sketch> {
    let enforce = prop_oneof![1 => Just(Rank::Deny), 1 => select(&RANKS[..])];
    let matches = prop::bool::weighted(0.9);
    let obligations = prop::collection::vec(select(&KINDS[..]).prop_map(String::from), 0..3);
    let waivers = prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec((any::<u8>(), waiver()), 1..4)];
    (enforce, matches, said(), obligations, any::<u8>(), waivers)
        .prop_map(|(enforce, matches, said, mut obligations, place, waivers)| {
            // Who faulted gave no answer that could oblige anyone.
            if let Said::Fault(_) = said {
                obligations.clear();
            }
            Sketch::Leaf { policy: Policy { enforce, matches, said, obligations }, place, waivers }
        })
        .boxed()
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        3 => Just(Said::Abstain),
        8 => prop::collection::vec(finding(), 1..4).prop_map(Said::Findings),
        2 => select(&FAULTS[..]).prop_map(Said::Fault),
    ]
}

fn finding() -> impl Strategy<Value = Finding> {
    // Lenient findings more often: otherwise hardly any large set proceeds.
    let rank = prop_oneof![2 => select(&RANKS[..2]), 1 => select(&RANKS[..])];
    let requirement = prop::option::weighted(0.4, select(&REQUIREMENTS[..]).prop_map(String::from));
    (rank, select(&CODES[..]).prop_map(String::from), requirement).prop_map(|(rank, code, requirement)| Finding {
        rank,
        code,
        requirement,
    })
}

fn waiver() -> impl Strategy<Value = Waiver> {
    let code = prop_oneof![3 => select(&CODES[..]), 1 => select(&FAULTS[..])].prop_map(String::from);
    (code, prop::bool::weighted(0.8), select(&RANKS[..]), prop::bool::weighted(0.3))
        .prop_map(|(code, matches, becomes, ended)| Waiver { policy: 0, code, matches, becomes, ended })
}

fn assemble(sketch: Sketch) -> Case {
    let mut placed = Vec::new();
    let root = plant(sketch, true, &mut placed);
    // The manifest's order of policies is not the tree's.
    let mut order: Vec<usize> = (0..placed.len()).collect();
    order.sort_by_key(|&index| placed[index].1);
    let mut index_of = vec![0; order.len()];
    order.iter().enumerate().for_each(|(to, &from)| index_of[from] = to);
    let mut waivers = Vec::new();
    for (from, (policy, _, own)) in placed.iter().enumerate() {
        // A waiver that could never relax anything is refused at load.
        let own = own.iter().filter(|(_, waiver)| waiver.becomes < policy.enforce);
        waivers.extend(own.map(|(place, waiver)| (*place, Waiver { policy: index_of[from], ..waiver.clone() })));
    }
    waivers.sort_by_key(|(place, _)| *place);
    Case {
        policies: order.iter().map(|&from| placed[from].0.clone()).collect(),
        root: renumber(root, &index_of),
        waivers: waivers.into_iter().map(|(_, waiver)| waiver).collect(),
    }
}

/// Numbers the leaves in the tree's order, and lifts levels that the load rules refuse.
fn plant(sketch: Sketch, lowers: bool, placed: &mut Vec<Placed>) -> Tree {
    match sketch {
        Sketch::Leaf { mut policy, place, waivers } => {
            if !lowers {
                policy.enforce = Rank::Deny;
            }
            placed.push((policy, place, waivers));
            Tree::Leaf(placed.len() - 1)
        }
        Sketch::Node { rule, matches, members } => {
            let rule = match rule {
                RuleSketch::AllOf => Rule::AllOf,
                RuleSketch::AtLeast(share) => Rule::AtLeast(1 + usize::from(share) % members.len()),
                RuleSketch::AnyOf => Rule::AtLeast(1),
                RuleSketch::FirstOf => Rule::FirstOf,
            };
            let lowers = lowers && rule == Rule::AllOf;
            let members = members.into_iter().map(|member| plant(member, lowers, placed)).collect();
            Tree::Node { rule, matches, members }
        }
    }
}

fn renumber(tree: Tree, index_of: &[usize]) -> Tree {
    match tree {
        Tree::Leaf(index) => Tree::Leaf(index_of[index]),
        Tree::Node { rule, matches, members } => {
            let members = members.into_iter().map(|member| renumber(member, index_of)).collect();
            Tree::Node { rule, matches, members }
        }
    }
}
