//! Law 8: the second implementation agrees with the gate on every generated case.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::gate;
use super::generate::{cases, check, number_of_cases};
use super::oracle::{self, Case, Decided, Rank, Rule, Said, Status, Tree};

#[test]
fn law_8_a_second_implementation_agrees() {
    let request = gate::request();
    let seen = RefCell::new(BTreeMap::new());
    let ran = check(number_of_cases(), cases(), |case| {
        let expected = oracle::decide(&case);
        note(&case, &expected, &mut seen.borrow_mut());
        let decision = gate::of(&case, &request);
        assert_eq!(gate::decided(&decision), expected);
        assert_eq!(decision.proceeds(), expected.proceed);
    });
    assert_eq!(ran, number_of_cases());
    let seen = seen.into_inner();
    for (what, share) in COVERAGE {
        let (times, least) = (seen.get(what).copied().unwrap_or(0), ran / share);
        assert!(times >= least, "{what}: {times} of {ran} cases, expected {least}; all: {seen:?}");
    }
}

/// What the cases must contain, each in one of so many cases at least.
const COVERAGE: [(&str, u32); 30] = [
    ("decided allow", 50),
    ("decided warn", 50),
    ("decided defer", 50),
    ("decided acknowledge", 50),
    ("decided escalate", 50),
    ("decided deny", 5),
    ("root abstains", 100),
    ("root abstains over advisory findings", 100),
    ("root all-of", 5),
    ("root at-least", 20),
    ("root any-of", 10),
    ("root first-of", 10),
    ("node all-of", 10),
    ("node at-least", 20),
    ("node any-of", 10),
    ("node first-of", 10),
    ("three levels of nodes", 20),
    ("too few", 100),
    ("fault", 5),
    ("fault below deny", 20),
    ("degraded and proceeds", 100),
    ("skipped", 5),
    ("skipped node", 20),
    ("waiver applied", 20),
    ("waiver of a fault applied", 200),
    ("waiver expired", 20),
    ("waiver unused", 20),
    ("requirement", 10),
    ("obligation", 20),
    ("does not contribute", 10),
];

fn note(case: &Case, decided: &Decided, seen: &mut BTreeMap<&'static str, u32>) {
    let mut see = |what: &'static str, is: bool| *seen.entry(what).or_default() += u32::from(is);
    see(
        match decided.rank {
            Rank::Allow => "decided allow",
            Rank::Warn => "decided warn",
            Rank::Defer => "decided defer",
            Rank::Acknowledge => "decided acknowledge",
            Rank::Escalate => "decided escalate",
            Rank::Deny => "decided deny",
        },
        true,
    );
    let host = |code: &str| decided.findings.iter().any(|finding| finding.policy.is_none() && finding.code == code);
    let abstains = host("portcullis.no-policy-applied");
    see("root abstains", abstains);
    see("root abstains over advisory findings", abstains && decided.policies.iter().any(|part| part.counted.is_some()));
    see("too few", host("portcullis.too-few-applied"));
    let Tree::Node { rule, members, .. } = &case.root else { panic!("the root is a node") };
    see(["root all-of", "root at-least", "root any-of", "root first-of"][number(*rule)], true);
    let inner = ["node all-of", "node at-least", "node any-of", "node first-of"];
    inner.into_iter().enumerate().for_each(|(n, what)| see(what, members.iter().any(|member| has(member, n))));
    see("three levels of nodes", depth(&case.root) == 3);
    let faulted = |index: usize| matches!(case.policies[index].said, Said::Fault(_));
    let counted = |index: usize| decided.policies[index].counted;
    let any = |test: &dyn Fn(usize) -> bool| (0..case.policies.len()).any(test);
    see("fault", decided.faulted > 0);
    see("fault below deny", any(&|index| faulted(index) && counted(index).is_some_and(|rank| rank < Rank::Deny)));
    see("degraded and proceeds", decided.degraded && decided.proceed);
    see("skipped", decided.skipped > 0);
    see("skipped node", skips(&case.root));
    let status = |status: Status| decided.waivers.contains(&status);
    see("waiver applied", status(Status::Applied));
    let of_fault = case.waivers.iter().zip(&decided.waivers);
    let mut of_fault = of_fault.filter(|(waiver, status)| **status == Status::Applied && faulted(waiver.policy));
    see("waiver of a fault applied", of_fault.next().is_some());
    see("waiver expired", status(Status::Expired));
    see("waiver unused", status(Status::Unused));
    see("requirement", !decided.requirements.is_empty());
    see("obligation", !decided.obligations.is_empty());
    see("does not contribute", any(&|index| counted(index).is_some() && !decided.policies[index].contributes));
}

fn number(rule: Rule) -> usize {
    match rule {
        Rule::AllOf => 0,
        Rule::AtLeast(2..) => 1,
        Rule::AtLeast(_) => 2,
        Rule::FirstOf => 3,
    }
}

fn has(tree: &Tree, wanted: usize) -> bool {
    match tree {
        Tree::Leaf(_) => false,
        Tree::Node { rule, members, .. } => number(*rule) == wanted || members.iter().any(|member| has(member, wanted)),
    }
}

fn skips(tree: &Tree) -> bool {
    match tree {
        Tree::Leaf(_) => false,
        Tree::Node { matches, members, .. } => !matches || members.iter().any(skips),
    }
}

fn depth(tree: &Tree) -> usize {
    match tree {
        Tree::Leaf(_) => 0,
        Tree::Node { members, .. } => 1 + members.iter().map(depth).max().unwrap_or(0),
    }
}
