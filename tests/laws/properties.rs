//! Laws 1 to 7 on generated cases: larger and deeper sets, several findings, waivers, matchers, obligations.

use portcullis_gate::{Decision, NO_POLICY_APPLIED, Request};
use proptest::prelude::*;

use super::gate;
use super::generate::{RANKS, cases, check, number_of_cases, policies};
use super::oracle::{Case, Finding, Policy, Rank, Rule, Said, Tree};

/// A fault that no generated waiver names.
const UNWAIVED: &str = "fault.trap";

#[test]
fn law_1_only_allow_and_warn_proceed() {
    let request = gate::request();
    let ran = check(number_of_cases() / 10, cases(), |case| {
        let decision = gate::of(&case, &request);
        let lenient = decision.outcome() <= portcullis_gate::Outcome::Warn;
        assert_eq!(decision.proceeds(), lenient);
        assert!(lenient || decision.obligations().next().is_none());
        assert_eq!(decision.valid_until().is_some(), lenient);
        let json = serde_json::to_value(&decision).unwrap();
        assert_eq!((&json["proceed"], &json["outcome"]), (&lenient.into(), &decision.outcome().as_str().into()));
        // Without its waivers, a set that hears nothing but abstentions and faults never proceeds.
        let mut mute = Case { waivers: Vec::new(), ..case };
        for (index, policy) in mute.policies.iter_mut().enumerate() {
            policy.said = if index % 2 == 0 { Said::Abstain } else { Said::Fault(UNWAIVED) };
        }
        assert!(!gate::of(&mute, &request).proceeds());
        let nothing = vec![None; mute.policies.len()];
        assert!(!gate::decision(&gate::set(&mute), &request, nothing).proceeds());
    });
    assert_eq!(ran, number_of_cases() / 10);
}

#[test]
fn law_2_adding_a_member_to_an_all_of() {
    let request = gate::request();
    let added = std::cell::Cell::new(0);
    check(number_of_cases() / 10, (cases(), policies()), |(case, policy)| {
        let before = gate::of(&case, &request);
        for path in all_ofs(&case.root) {
            if abstains(&case, &path, &request) {
                continue;
            }
            let mut more = case.clone();
            let lowers = above(&case.root, &path).iter().all(|rule| *rule == Rule::AllOf);
            more.policies.push(Policy { enforce: if lowers { policy.enforce } else { Rank::Deny }, ..policy.clone() });
            let members = members_at(&mut more.root, &path);
            let place = members.len() / 2;
            members.insert(place, Tree::Leaf(case.policies.len()));
            assert!(before.outcome() <= gate::of(&more, &request).outcome(), "{path:?} {more:?}");
            added.set(added.get() + 1);
        }
    });
    assert!(added.get() > number_of_cases() / 20, "{} members added", added.get());
}

#[test]
fn law_3_turning_a_result_into_a_fault() {
    let request = gate::request();
    check(number_of_cases() / 10, cases(), |case| {
        let before = gate::of(&case, &request);
        for index in 0..case.policies.len() {
            let faulted = changed(&case, index, |policy| policy.said = Said::Fault(UNWAIVED));
            let after = gate::of(&faulted, &request);
            match case.policies[index].said {
                Said::Abstain => assert!(before.proceeds() || !after.proceeds(), "{index}"),
                Said::Findings(_) | Said::Fault(_) => assert!(before.outcome() <= after.outcome(), "{index}"),
            }
        }
    });
}

#[test]
fn law_4_the_order_of_members() {
    let request = gate::request();
    check(number_of_cases() / 10, (cases(), any::<u64>()), |(case, seed)| {
        let mut seed = seed;
        let shuffled = Case { root: shuffle(&case.root, &mut seed), ..case.clone() };
        let (before, after) = (gate::of(&case, &request), gate::of(&shuffled, &request));
        let facts =
            |decision: &Decision| (decision.outcome(), decision.proceeds(), decision.degraded(), decision.evaluated());
        assert_eq!(facts(&before), facts(&after));
        let trace = |decision: &Decision| -> Vec<_> {
            decision.policies().map(|p| (p.name.clone().into_owned(), p.said, p.counted_as)).collect()
        };
        assert_eq!(trace(&before), trace(&after));
    });
}

#[test]
fn law_5_raising_an_outcome_or_adding_a_finding() {
    let request = gate::request();
    check(number_of_cases() / 10, (cases(), 0..6usize), |(case, rank)| {
        let before = gate::of(&case, &request);
        for (index, policy) in case.policies.iter().enumerate() {
            let Said::Findings(findings) = &policy.said else { continue };
            for place in 0..findings.len() {
                let raised = changed(&case, index, |policy| {
                    if let Said::Findings(findings) = &mut policy.said {
                        findings[place].rank = findings[place].rank.max(RANKS[rank]);
                    }
                });
                assert!(before.outcome() <= gate::of(&raised, &request).outcome(), "{index} {place}");
            }
            let added = changed(&case, index, |policy| {
                if let Said::Findings(findings) = &mut policy.said {
                    findings.push(Finding { rank: RANKS[rank], code: "team.law.a".into(), requirement: None });
                }
            });
            assert!(before.outcome() <= gate::of(&added, &request).outcome(), "{index}");
        }
    });
}

#[test]
fn law_6_taking_out_advisory_policies() {
    let request = gate::request();
    let proceeded = std::cell::Cell::new(0);
    check(number_of_cases(), cases(), |case| {
        if case.policies.iter().any(|policy| policy.enforce <= Rank::Warn) && gate::of(&case, &request).proceeds() {
            let binding = |index: usize| case.policies[index].enforce > Rank::Warn;
            let without = only(&case, &binding).expect("an empty set never proceeds");
            assert!(gate::of(&without, &request).proceeds(), "{without:?}");
            proceeded.set(proceeded.get() + 1);
        }
    });
    assert!(proceeded.get() > number_of_cases() / 100, "{} cases with advisory policies proceed", proceeded.get());
}

#[test]
fn law_6_lowering_a_level() {
    let request = gate::request();
    check(number_of_cases() / 10, cases(), |case| {
        if gate::of(&case, &request).proceeds() {
            return;
        }
        for index in 0..case.policies.len() {
            for level in [Rank::Defer, Rank::Acknowledge, Rank::Escalate] {
                let mut lowered = case.clone();
                lowered.policies[index].enforce = level.min(case.policies[index].enforce);
                // Waivers that can relax nothing any more would be refused; so is the level outside of all-of.
                lowered.waivers.retain(|waiver| waiver.becomes < lowered.policies[waiver.policy].enforce);
                if gate::definition(&lowered).is_ok() {
                    assert!(!gate::of(&lowered, &request).proceeds(), "{index} {level:?}");
                }
            }
        }
    });
}

#[test]
fn law_7_same_in_same_bytes_out() {
    check(number_of_cases() / 10, cases(), |case| {
        let (first, second) = (gate::of(&case, &gate::request()), gate::of(&case.clone(), &gate::request()));
        assert_eq!(first.replay_bytes().expect("bytes"), second.replay_bytes().expect("bytes"));
        assert_eq!(serde_json::to_vec(&first).unwrap(), serde_json::to_vec(&second).unwrap());
        // What a skipped policy would have said is not part of it.
        let mut runs = gate::runs(&case);
        for (run, trace) in runs.iter_mut().zip(first.policies()) {
            if trace.said == portcullis_gate::PolicySaid::Skipped {
                *run = None;
            }
        }
        let without = gate::decision(&gate::set(&case), &gate::request(), runs);
        assert_eq!(first.replay_bytes().expect("bytes"), without.replay_bytes().expect("bytes"));
    });
}

fn changed(case: &Case, index: usize, change: impl Fn(&mut Policy)) -> Case {
    let mut case = case.clone();
    change(&mut case.policies[index]);
    case
}

/// The paths of every `all-of` that is not skipped by itself.
fn all_ofs(tree: &Tree) -> Vec<Vec<usize>> {
    let Tree::Node { rule, matches, members } = tree else { return Vec::new() };
    let mut paths = Vec::new();
    if *rule == Rule::AllOf && *matches {
        paths.push(Vec::new());
    }
    for (place, member) in members.iter().enumerate() {
        paths.extend(all_ofs(member).into_iter().map(|path| [&[place], &path[..]].concat()));
    }
    paths
}

/// The rules from the root to the node at the path, both included.
fn above(tree: &Tree, path: &[usize]) -> Vec<Rule> {
    let Tree::Node { rule, members, .. } = tree else { return Vec::new() };
    let mut rules = vec![*rule];
    if let [first, rest @ ..] = path {
        rules.extend(above(&members[*first], rest));
    }
    rules
}

fn members_at<'t>(tree: &'t mut Tree, path: &[usize]) -> &'t mut Vec<Tree> {
    let Tree::Node { members, .. } = tree else { panic!("the path leads to a node") };
    match path {
        [] => members,
        [first, rest @ ..] => members_at(&mut members[*first], rest),
    }
}

/// Whether the gate has the node at the path abstain: as the root of a set of its own.
fn abstains(case: &Case, path: &[usize], request: &Request) -> bool {
    let mut tree = &case.root;
    for place in path {
        if let Tree::Node { members, .. } = tree {
            tree = &members[*place];
        }
    }
    let below = leaves(tree);
    let alone = only(&Case { root: tree.clone(), ..case.clone() }, &|index| below.contains(&index));
    let decision = gate::of(&alone.expect("a node has policies"), request);
    decision.findings().any(|finding| finding.code == NO_POLICY_APPLIED)
}

fn leaves(tree: &Tree) -> Vec<usize> {
    match tree {
        Tree::Leaf(index) => vec![*index],
        Tree::Node { members, .. } => members.iter().flat_map(leaves).collect(),
    }
}

/// The case with only some of its policies; nodes without any are left out. Nothing where none is left.
fn only(case: &Case, keep: &dyn Fn(usize) -> bool) -> Option<Case> {
    let kept: Vec<usize> = (0..case.policies.len()).filter(|index| keep(*index)).collect();
    let place = |index: usize| kept.iter().position(|kept| *kept == index);
    let waivers = case.waivers.iter().filter_map(|waiver| {
        let mut waiver = waiver.clone();
        waiver.policy = place(waiver.policy)?;
        Some(waiver)
    });
    Some(Case {
        policies: kept.iter().map(|index| case.policies[*index].clone()).collect(),
        root: prune(&case.root, &place)?,
        waivers: waivers.collect(),
    })
}

fn prune(tree: &Tree, place: &dyn Fn(usize) -> Option<usize>) -> Option<Tree> {
    match tree {
        Tree::Leaf(index) => place(*index).map(Tree::Leaf),
        Tree::Node { rule, matches, members } => {
            let members: Vec<Tree> = members.iter().filter_map(|member| prune(member, place)).collect();
            if members.is_empty() { None } else { Some(Tree::Node { rule: *rule, matches: *matches, members }) }
        }
    }
}

/// The members of every `all-of` and `at-least` in another order.
fn shuffle(tree: &Tree, seed: &mut u64) -> Tree {
    let Tree::Node { rule, matches, members } = tree else { return tree.clone() };
    let mut shuffled: Vec<Tree> = Vec::new();
    for member in members {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let place = match rule {
            Rule::FirstOf => shuffled.len(),
            Rule::AllOf | Rule::AtLeast(_) => (*seed >> 33) as usize % (shuffled.len() + 1),
        };
        shuffled.insert(place, shuffle(member, seed));
    }
    Tree::Node { rule: *rule, matches: *matches, members: shuffled }
}
