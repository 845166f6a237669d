//! The laws of decisions, over random trees. (The tests of the workspace check them over every small tree, and against
//! a second implementation.)

use proptest::prelude::*;

use crate::testing::*;
use crate::*;

#[derive(Clone, Debug)]
enum Shape {
    Leaf { enforce: Outcome, said: Says },
    Node { rule: u8, n: u32, members: Vec<Shape> },
}

#[derive(Clone, Debug, PartialEq)]
enum Says {
    Abstain,
    Fault,
    Findings(Vec<Outcome>),
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop::sample::select(Outcome::ALL.to_vec())
}

fn shape() -> impl Strategy<Value = Shape> {
    let says = prop_oneof![
        2 => Just(Says::Abstain),
        1 => Just(Says::Fault),
        5 => prop::collection::vec(prop_oneof![Just(Outcome::Allow), outcome()], 1..3).prop_map(Says::Findings),
    ];
    let enforce = prop_oneof![2 => Just(Outcome::Deny), 1 => outcome()];
    let leaf = (enforce, says).prop_map(|(enforce, said)| Shape::Leaf { enforce, said }).boxed();
    let node = |inner: BoxedStrategy<Shape>| {
        (0u8..4, 1u32..4, prop::collection::vec(inner, 1..5))
            .prop_map(|(rule, n, members)| Shape::Node { rule, n, members })
            .boxed()
    };
    let inner = leaf.prop_recursive(3, 12, 4, move |inner| node(inner.boxed()));
    node(inner.boxed())
}

/// The set of a shape and what its policies say. A lowered level stays only where the set allows it.
fn build(shape: &Shape) -> (SetParts, Vec<Says>) {
    fn member(shape: &Shape, all_of: bool, policies: &mut Vec<PolicySpec>, said: &mut Vec<Says>) -> Member {
        match shape {
            Shape::Leaf { enforce, said: says } => {
                let place = policies.len();
                let mut spec = PolicySpec::new(format!("p{place}"), "m.wasm");
                spec.enforce = if all_of { *enforce } else { Outcome::Deny };
                policies.push(spec);
                said.push(says.clone());
                Member::Policy(place)
            }
            Shape::Node { rule, n, members } => {
                let rule = match rule {
                    0 | 1 => Rule::AllOf,
                    2 => Rule::AtLeast((*n).min(members.len() as u32)),
                    _ => Rule::FirstOf,
                };
                let all_of = all_of && rule == Rule::AllOf;
                let members = members.iter().map(|shape| member(shape, all_of, policies, said)).collect();
                Member::Node(node(rule, members))
            }
        }
    }
    let (mut policies, mut said) = (Vec::new(), Vec::new());
    let Member::Node(root) = member(shape, true, &mut policies, &mut said) else { panic!("a node") };
    (SetParts { root, ..SetParts::new("laws", policies) }, said)
}

fn decide_all(parts: &SetParts, said: &[Says]) -> Decision {
    let runs = said.iter().map(|says| match says {
        Says::Abstain => abstains(),
        Says::Fault => faults(Fault::Trap),
        Says::Findings(outcomes) => {
            answer(outcomes.iter().map(|outcome| finding(*outcome, outcome.as_str())).collect())
        }
    });
    decided(parts.clone(), runs.collect())
}

/// Every way to change what one policy says.
fn with_each(said: &[Says], change: impl Fn(&Says) -> Option<Says>) -> Vec<Vec<Says>> {
    let changed = said.iter().enumerate().filter_map(|(place, says)| {
        let mut all = said.to_vec();
        all[place] = change(says)?;
        Some(all)
    });
    changed.collect()
}

fn reversed(tree: &Node) -> Node {
    let members = tree.members.iter().map(|member| match member {
        Member::Node(inner) => Member::Node(reversed(inner)),
        Member::Policy(place) => Member::Policy(*place),
    });
    let mut members: Vec<_> = members.collect();
    if tree.rule != Rule::FirstOf {
        members.reverse();
    }
    Node { members, ..tree.clone() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn the_findings_explain_the_outcome(shape in shape()) {
        let (parts, said) = build(&shape);
        let decision = decide_all(&parts, &said);
        let outcomes: Vec<_> = decision.findings().map(|finding| finding.outcome).collect();
        prop_assert_eq!(outcomes.first().copied(), Some(decision.outcome()));
        prop_assert!(outcomes.is_sorted_by(|a, b| a >= b));
        prop_assert_eq!(decision.proceeds(), matches!(decision.outcome(), Outcome::Allow | Outcome::Warn));
        prop_assert_eq!(decision.valid_until().is_some(), decision.proceeds());
        let evaluated = decision.evaluated();
        prop_assert_eq!(evaluated.ran + evaluated.skipped, said.len());
        prop_assert_eq!(evaluated.faulted, said.iter().filter(|says| **says == Says::Fault).count());
        for policy in decision.policies().filter(|policy| policy.contributes) {
            prop_assert!(policy.counted_as.is_some_and(|counted| counted <= policy.enforce));
        }
    }

    #[test]
    fn a_member_more_in_an_all_of_is_never_more_lenient(shape in shape(), more in outcome()) {
        let (mut parts, mut said) = build(&shape);
        let before = decide_all(&parts, &said);
        prop_assume!(parts.root.rule == Rule::AllOf && !before.findings().any(|f| f.code == NO_POLICY_APPLIED));
        parts.root.members.push(Member::Policy(parts.policies.len()));
        parts.policies.push(PolicySpec::new("more", "m.wasm"));
        said.push(Says::Findings(vec![more]));
        prop_assert!(decide_all(&parts, &said).outcome() >= before.outcome());
    }

    #[test]
    fn a_fault_is_never_more_lenient(shape in shape()) {
        let (parts, said) = build(&shape);
        let before = decide_all(&parts, &said);
        for faulted in with_each(&said, |says| matches!(says, Says::Findings(_)).then_some(Says::Fault)) {
            prop_assert!(decide_all(&parts, &faulted).outcome() >= before.outcome());
        }
        for faulted in with_each(&said, |says| (*says == Says::Abstain).then_some(Says::Fault)) {
            prop_assert!(before.proceeds() || !decide_all(&parts, &faulted).proceeds());
        }
    }

    #[test]
    fn order_does_not_matter_where_the_rule_has_none(shape in shape()) {
        let (parts, said) = build(&shape);
        let turned = SetParts { root: reversed(&parts.root), ..parts.clone() };
        prop_assert_eq!(decide_all(&parts, &said).outcome(), decide_all(&turned, &said).outcome());
    }

    #[test]
    fn saying_more_or_worse_is_never_more_lenient(shape in shape(), more in outcome()) {
        let (parts, said) = build(&shape);
        let before = decide_all(&parts, &said).outcome();
        let raise = |says: &Says| match says {
            Says::Findings(outcomes) => Some(Says::Findings(outcomes.iter().map(|outcome| (*outcome).max(more)).collect())),
            Says::Abstain | Says::Fault => None,
        };
        let add = |says: &Says| match says {
            Says::Findings(outcomes) => Some(Says::Findings(outcomes.iter().copied().chain([more]).collect())),
            Says::Abstain | Says::Fault => None,
        };
        for changed in with_each(&said, raise).into_iter().chain(with_each(&said, add)) {
            prop_assert!(decide_all(&parts, &changed).outcome() >= before);
        }
    }

    #[test]
    fn a_lowered_level_never_grants(shape in shape()) {
        let (parts, said) = build(&shape);
        let before = decide_all(&parts, &said);
        let silent = |(says, spec): (&Says, &PolicySpec)| if spec.is_advisory() { Says::Abstain } else { says.clone() };
        let without_advice: Vec<_> = said.iter().zip(&parts.policies).map(silent).collect();
        prop_assert!(!before.proceeds() || decide_all(&parts, &without_advice).proceeds());
        for place in 0..parts.policies.len() {
            for enforce in [Outcome::Escalate, Outcome::Acknowledge, Outcome::Defer] {
                let mut lowered = parts.clone();
                let level = &mut lowered.policies[place].enforce;
                if enforce < *level && SetDefinition::new({ *level = enforce; lowered.clone() }).is_ok() {
                    prop_assert!(before.proceeds() || !decide_all(&lowered, &said).proceeds());
                }
            }
        }
    }

    #[test]
    fn the_same_in_gives_the_same_bytes_out(shape in shape()) {
        let (parts, said) = build(&shape);
        prop_assert_eq!(decide_all(&parts, &said).replay_bytes().expect("bytes"), decide_all(&parts, &said).replay_bytes().expect("bytes"));
    }
}
