//! Laws 1 to 7 over every combination of up to four policies and two levels: see [`super::tables`] for what they are.

use std::collections::HashMap;

use portcullis_gate::{Answer, Call, Decision, PolicyRun, Said as GateSaid, Verdict, decide, select};

use super::gate;
use super::generate::RANKS;
use super::oracle::{Finding, Rank, Rule, Said, Tree};
use super::shapes::{Part, Shape, shapes};
use super::tables::{ABSTAIN, FAULT, Results, Table, case, full, reorder, result, tables, with};

#[test]
fn covers_every_combination() {
    let shapes: Vec<usize> = (1..=4).map(|width| shapes(width).len()).collect();
    assert_eq!(shapes, [12, 76, 463, 2738]);
    assert_eq!(tables().len(), counts().sets);
    assert_eq!(tables().values().map(|table| table.size()).sum::<usize>(), counts().decisions);
    for rank in 0..6 {
        assert!(tables().values().any(|table| table.all().any(|results| table.get(results).rank() == rank)));
    }
}

/// A lowered level is accepted where every node above it is `all-of`, and nowhere else.
#[test]
fn lowered_levels_are_refused_where_they_could_grant() {
    let mut refused = 0;
    for shape in (1..=3).flat_map(shapes) {
        for (policy, lowers) in shape.lowers().into_iter().enumerate() {
            for level in RANKS {
                let mut levels = vec![Rank::Deny; shape.width()];
                levels[policy] = level;
                let accepted = gate::definition(&case(&shape, &levels, 0)).is_ok();
                assert_eq!(accepted, lowers || level == Rank::Deny, "{shape:?} {levels:?}");
                refused += usize::from(!accepted);
            }
        }
    }
    assert_eq!(refused, REFUSED);
}

/// Proceeding takes a root of `allow` or `warn`, and someone who could have stopped the request and said so.
#[test]
fn law_1_nothing_else_proceeds() {
    let mut proceeded = 0;
    for (table, results) in entries() {
        let entry = table.get(results);
        let lenient = entry.rank() <= Rank::Warn as u8;
        assert_eq!(entry.proceeds(), lenient, "{}", table.show(results));
        let said_so = |policy: usize| table.applies(policy, results) && (1..=2).contains(&result(results, policy));
        assert!(!lenient || (0..table.levels.len()).any(said_so), "{}", table.show(results));
        proceeded += usize::from(lenient);
    }
    assert!(proceeded > counts().decisions / 100, "{proceeded} cases proceed");
}

/// A policy that gave nothing, and one whose findings are empty, count as one that faulted.
#[test]
fn law_1_missing_and_empty_answers_are_faults() {
    let empty = Answer { verdict: Verdict::Findings(Vec::new()), obligations: Vec::new() };
    let empty = PolicyRun { said: GateSaid::Answer(empty), fuel: 1, duration_us: 1, history: Vec::new() };
    let request = gate::request();
    let mut checked = 0;
    for table in tables().values().filter(|table| is_small(table)) {
        let set = gate::set(&case(&table.shape, &table.levels, 0));
        for results in table.all() {
            for policy in (0..table.levels.len()).filter(|policy| result(results, *policy) == FAULT) {
                let runs = gate::runs(&case(&table.shape, &table.levels, results));
                for nothing in [None, Some(empty.clone())] {
                    let mut runs = runs.clone();
                    runs[policy] = nothing;
                    let decision = gate::decision(&set, &request, runs);
                    let says = (gate::rank(decision.outcome()) as u8, decision.proceeds(), decision.degraded());
                    let fault = table.get(results);
                    assert_eq!(says, (fault.rank(), fault.proceeds(), fault.degraded()), "{}", table.show(results));
                    checked += 1;
                }
            }
        }
    }
    assert_eq!(checked, NOTHINGS);
}

/// Results that are fewer than the policies, or none at all, never proceed beyond what the given ones allow.
#[test]
fn law_1_a_list_that_is_too_short_is_faults() {
    let request = gate::request();
    for shape in (1..=3).flat_map(shapes) {
        let levels = vec![Rank::Deny; shape.width()];
        let table = &tables()[&(shape.clone(), levels.clone())];
        let allowed = (0..levels.len()).fold(0, |results, policy| with(results, policy, 1));
        let set = gate::set(&case(&shape, &levels, 0));
        for given in 0..=levels.len() {
            let expected = (given..levels.len()).fold(allowed, |results, policy| with(results, policy, FAULT));
            let mut runs = gate::runs(&case(&shape, &levels, allowed));
            runs.truncate(given);
            let decision = decide(select(&set, &request), Call::default(), runs);
            assert_eq!(gate::rank(decision.outcome()) as u8, table.get(expected).rank(), "{}", table.show(expected));
        }
    }
}

/// Takes one member out of an `all-of` that still does not abstain: what is left is never stricter.
#[test]
fn law_2_adding_a_member_to_an_all_of() {
    let mut checked = 0;
    for table in tables().values() {
        for (shape, kept, within) in without_one_member(&table.shape) {
            let levels: Vec<Rank> = kept.iter().map(|policy| table.levels[*policy]).collect();
            let fewer = &tables()[&(shape, levels)];
            for results in table.all() {
                if within.iter().any(|policy| table.applies(*policy, results)) {
                    let before = fewer.get(reorder(results, &kept));
                    assert!(before.rank() <= table.get(results).rank(), "{}", table.show(results));
                    checked += 1;
                }
            }
        }
    }
    assert_eq!(checked, counts().added);
}

#[test]
fn law_3_turning_a_result_into_a_fault() {
    let mut checked = 0;
    for (table, results) in entries() {
        for policy in (0..table.levels.len()).filter(|policy| result(results, *policy) != FAULT) {
            let (before, after) = (table.get(results), table.get(with(results, policy, FAULT)));
            if result(results, policy) == ABSTAIN {
                assert!(before.proceeds() || !after.proceeds(), "{}", table.show(results));
            } else {
                assert!(before.rank() <= after.rank(), "{}", table.show(results));
            }
            checked += 1;
        }
    }
    assert_eq!(checked, counts().faulted);
}

/// Swaps neighbours: every order of members is a chain of such swaps, and every shape is in the tables.
#[test]
fn law_4_the_order_of_members() {
    let mut checked = 0;
    for table in tables().values() {
        for (shape, order) in swaps(&table.shape) {
            let levels: Vec<Rank> = order.iter().map(|policy| table.levels[*policy]).collect();
            let swapped = &tables()[&(shape, levels)];
            for results in table.all() {
                assert_eq!(table.get(results), swapped.get(reorder(results, &order)), "{}", table.show(results));
            }
            checked += table.size();
        }
    }
    assert_eq!(checked, counts().swapped);
}

/// The policies keep their places in the manifest while the tree's members change theirs: every part of the decision
/// of an `all-of` stays, and of an `at-least` everything but which of equals contribute; the trace keeps its order.
#[test]
fn law_4_the_trace_keeps_the_manifests_order() {
    let request = gate::request();
    let mut checked = 0;
    for shape in (1..=3).flat_map(shapes) {
        let levels = vec![Rank::Deny; shape.width()];
        let table = &tables()[&(shape.clone(), levels.clone())];
        // For three policies: abstain, allow, warn, deny, fault.
        let few = |results: &Results| (0..3).all(|policy| [0, 1, 2, 6, 7].contains(&result(*results, policy)));
        for results in table.all().filter(|results| shape.width() < 3 || few(results)) {
            let original = case(&shape, &levels, results);
            let before = gate::of(&original, &request);
            for root in orders(&original.root) {
                let mut reordered = original.clone();
                reordered.root = root;
                let after = gate::of(&reordered, &request);
                let said = |decision: &Decision| -> Vec<_> {
                    decision.policies().map(|p| (p.name.clone().into_owned(), p.said, p.counted_as)).collect()
                };
                assert_eq!(before.outcome(), after.outcome(), "{reordered:?}");
                assert_eq!(said(&before), said(&after), "{reordered:?}");
                assert_eq!(before.evaluated(), after.evaluated(), "{reordered:?}");
                if is_all_of(&original.root) {
                    assert_eq!(gate::decided(&before), gate::decided(&after), "{reordered:?}");
                }
                checked += 1;
            }
        }
    }
    assert_eq!(checked, REORDERED);
}

#[test]
fn law_5_raising_an_outcome() {
    let mut checked = 0;
    for (table, results) in entries() {
        for policy in 0..table.levels.len() {
            if let Some(stricter) = table.raised(result(results, policy)) {
                let raised = table.get(with(results, policy, stricter));
                assert!(table.get(results).rank() <= raised.rank(), "{}", table.show(results));
                checked += 1;
            }
        }
    }
    assert_eq!(checked, counts().raised);
}

/// Every second finding beside every first one, of each policy.
#[test]
fn law_5_adding_a_finding() {
    let request = gate::request();
    let mut checked = 0;
    for table in tables().values().filter(|table| is_small(table)) {
        let set = gate::set(&case(&table.shape, &table.levels, 0));
        for results in table.all() {
            for policy in 0..table.levels.len() {
                for second in RANKS {
                    let mut more = case(&table.shape, &table.levels, results);
                    let Said::Findings(findings) = &mut more.policies[policy].said else { continue };
                    findings.push(Finding { rank: second, code: "team.law.second".into(), requirement: None });
                    let decision = gate::decision(&set, &request, gate::runs(&more));
                    assert!(table.get(results).rank() <= gate::rank(decision.outcome()) as u8, "{more:?}");
                    checked += 1;
                }
            }
        }
    }
    assert_eq!(checked, SECOND_FINDINGS);
}

#[test]
fn law_6_taking_out_advisory_policies() {
    let mut checked = 0;
    for table in tables().values().filter(|table| table.levels.iter().any(|level| *level <= Rank::Warn)) {
        let kept: Vec<usize> = (0..table.levels.len()).filter(|n| table.levels[*n] > Rank::Warn).collect();
        let levels: Vec<Rank> = kept.iter().map(|policy| table.levels[*policy]).collect();
        let without = only(&table.shape, &kept).map(|shape| &tables()[&(shape, levels)]);
        for results in table.all().filter(|results| table.get(*results).proceeds()) {
            // With every policy taken out the set is empty, and an empty set denies.
            let proceeds = without.is_some_and(|without| without.get(reorder(results, &kept)).proceeds());
            assert!(proceeds, "{}", table.show(results));
            checked += 1;
        }
    }
    assert_eq!(checked, counts().advised);
}

#[test]
fn law_6_lowering_a_level() {
    let mut checked = 0;
    for table in tables().values() {
        for policy in 0..table.levels.len() {
            for level in RANKS.into_iter().filter(|level| *level > Rank::Warn && *level < table.levels[policy]) {
                let mut levels = table.levels.clone();
                levels[policy] = level;
                let Some(lowered) = tables().get(&(table.shape.clone(), levels)) else { continue };
                // The lowered table may have fewer results.
                for results in lowered.all().filter(|results| !table.get(*results).proceeds()) {
                    assert!(!lowered.get(results).proceeds(), "{}", table.show(results));
                    checked += 1;
                }
            }
        }
    }
    assert_eq!(checked, counts().lowered);
}

/// A fault that counts as less than `deny` marks the decision, and nothing else does where nothing is waived.
#[test]
fn faults_below_deny_are_marked() {
    for (table, results) in entries() {
        let marks = |policy: usize| result(results, policy) == FAULT && table.levels[policy] < Rank::Deny;
        let degraded = (0..table.levels.len()).any(marks);
        assert_eq!(table.get(results).degraded(), degraded, "{}", table.show(results));
    }
}

/// Set, request and results made anew give the same bytes; other results give others.
#[test]
fn law_7_same_in_same_bytes_out() {
    let mut bytes: HashMap<Vec<u8>, (Shape, Vec<Rank>, Results)> = HashMap::new();
    let mut checked = 0;
    for table in tables().values().filter(|table| is_small(table)) {
        for results in table.all() {
            let case = case(&table.shape, &table.levels, results);
            let first = gate::of(&case, &gate::request()).replay_bytes().expect("bytes");
            assert_eq!(
                first,
                gate::of(&case, &gate::request()).replay_bytes().expect("bytes"),
                "{}",
                table.show(results)
            );
            // The trace tells results and levels apart, so equal bytes of two cases differ in the tree alone.
            let same = bytes.entry(first).or_insert_with(|| (table.shape.clone(), table.levels.clone(), results));
            assert_eq!((&same.1, same.2), (&table.levels, results), "{:?} and {}", same.0, table.show(results));
            checked += 1;
        }
    }
    assert_eq!(checked, COMPARED);
}

/// How many cases each test covers.
struct Counts {
    sets: usize,
    decisions: usize,
    added: usize,
    faulted: usize,
    swapped: usize,
    raised: usize,
    advised: usize,
    lowered: usize,
}

fn counts() -> Counts {
    if full() { FULL } else { ORDINARY }
}

const ORDINARY: Counts = Counts {
    sets: 10_505,
    decisions: 5_910_392,
    added: 13_207_152,
    faulted: 17_592_554,
    swapped: 14_291_264,
    raised: 10_094_110,
    advised: 385_830,
    lowered: 7_961_544,
};
const FULL: Counts = Counts {
    sets: 10_505,
    decisions: 25_931_120,
    added: 58_639_728,
    faulted: 88_746_602,
    swapped: 68_716_544,
    raised: 63_390_430,
    advised: 1_441_856,
    lowered: 24_780_744,
};
const REFUSED: usize = 7010;
const NOTHINGS: usize = 11_276;
const REORDERED: usize = 266_983;
const SECOND_FINDINGS: usize = 202_968;
const COMPARED: usize = 21_360;

fn entries() -> impl Iterator<Item = (&'static Table, Results)> {
    tables().values().flat_map(|table| table.all().map(move |results| (table, results)))
}

/// Every way to take one member out of an `all-of` that has others: the shape that is left, the policies that it keeps,
/// and those of them that stand in the `all-of`.
fn without_one_member(shape: &Shape) -> Vec<(Shape, Vec<usize>, Vec<usize>)> {
    let starts = shape.starts();
    let mut all = Vec::new();
    let mut take_out = |gone: std::ops::Range<usize>, within: std::ops::Range<usize>| {
        let keeps = |range: std::ops::Range<usize>| range.filter(|policy| !gone.contains(policy)).collect::<Vec<_>>();
        let kept = keeps(0..shape.width());
        all.extend(only(shape, &kept).map(|shape| (shape, kept, keeps(within))));
    };
    for (place, part) in shape.parts.iter().enumerate() {
        let here = starts[place]..starts[place + 1];
        if shape.rule == Rule::AllOf && shape.parts.len() > 1 {
            take_out(here.clone(), 0..shape.width());
        }
        if let Part::Node(Rule::AllOf, 2..) = part {
            here.clone().for_each(|policy| take_out(policy..policy + 1, here.clone()));
        }
    }
    all
}

/// The shape with only some of its policies, nodes without any left out; nothing where none is left. For policies that
/// are taken out of an `all-of`.
fn only(shape: &Shape, kept: &[usize]) -> Option<Shape> {
    let starts = shape.starts();
    let parts = shape.parts.iter().zip(&starts).filter_map(|(part, start)| {
        match (part, kept.iter().filter(|policy| (*start..start + part.width()).contains(*policy)).count()) {
            (_, 0) => None,
            (Part::Policy, _) => Some(Part::Policy),
            (Part::Node(rule, _), width) => Some(Part::Node(*rule, width)),
        }
    });
    let parts: Vec<Part> = parts.collect();
    if parts.is_empty() { None } else { Some(Shape { rule: shape.rule, parts }) }
}

/// Every swap of neighbours in an `all-of` or `at-least`: the shape after it, and where its policies come from.
fn swaps(shape: &Shape) -> Vec<(Shape, Vec<usize>)> {
    let starts = shape.starts();
    let mut all = Vec::new();
    for place in 1..shape.parts.len() {
        if shape.rule != Rule::FirstOf {
            let mut parts = shape.parts.clone();
            parts.swap(place - 1, place);
            let (first, second, end) = (starts[place - 1], starts[place], starts[place + 1]);
            let order = (0..first).chain(second..end).chain(first..second).chain(end..shape.width()).collect();
            all.push((Shape { rule: shape.rule, parts }, order));
        }
    }
    for (part, start) in shape.parts.iter().zip(&starts) {
        if let Part::Node(Rule::AllOf | Rule::AtLeast(_), width) = part {
            for policy in start + 1..start + width {
                let mut order: Vec<usize> = (0..shape.width()).collect();
                order.swap(policy - 1, policy);
                all.push((shape.clone(), order));
            }
        }
    }
    all
}

/// The tree with the members of its `all-of` and `at-least` nodes in every order.
fn orders(tree: &Tree) -> Vec<Tree> {
    let Tree::Node { rule, matches, members } = tree else { return vec![tree.clone()] };
    let mut lists: Vec<Vec<Tree>> = vec![Vec::new()];
    for member in members {
        let mut longer = Vec::new();
        for (list, member) in lists.iter().flat_map(|list| orders(member).into_iter().map(move |member| (list, member)))
        {
            // A first-of keeps its order; elsewhere the member goes to every place.
            let first = if *rule == Rule::FirstOf { list.len() } else { 0 };
            longer.extend((first..=list.len()).map(|place| {
                let mut list = list.clone();
                list.insert(place, member.clone());
                list
            }));
        }
        lists = longer;
    }
    lists.into_iter().map(|members| Tree::Node { rule: *rule, matches: *matches, members }).collect()
}

/// Up to two policies in every shape at every level, and three at `deny` in one node.
fn is_small(table: &Table) -> bool {
    let deny = table.levels.iter().all(|level| *level == Rank::Deny);
    table.levels.len() <= 2 || table.levels.len() == 3 && table.shape.is_plain() && deny
}

fn is_all_of(tree: &Tree) -> bool {
    match tree {
        Tree::Leaf(_) => true,
        Tree::Node { rule, members, .. } => *rule == Rule::AllOf && members.iter().all(is_all_of),
    }
}
