//! Every tree of two levels with up to four policies, and every enforcement level that the load rules accept in it.

use super::oracle::{Rank, Rule, Tree};

/// A root whose members are policies and nodes of policies. Policies are numbered from left to right.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    pub rule: Rule,
    pub parts: Vec<Part>,
}

/// A member of the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    Policy,
    /// A node of so many policies.
    Node(Rule, usize),
}

impl Part {
    /// How many policies.
    pub fn width(self) -> usize {
        match self {
            Part::Policy => 1,
            Part::Node(_, width) => width,
        }
    }
}

impl Shape {
    /// How many policies.
    pub fn width(&self) -> usize {
        self.parts.iter().map(|part| part.width()).sum()
    }

    /// Whether it is one node.
    pub fn is_plain(&self) -> bool {
        self.parts.iter().all(|part| *part == Part::Policy)
    }

    /// The first policy of each member of the root, and their number at the end.
    pub fn starts(&self) -> Vec<usize> {
        let mut starts = vec![0];
        self.parts.iter().for_each(|part| starts.push(starts[starts.len() - 1] + part.width()));
        starts
    }

    /// The tree, its policies numbered from left to right.
    pub fn tree(&self) -> Tree {
        let members = self.parts.iter().zip(self.starts()).map(|(part, start)| match part {
            Part::Policy => Tree::Leaf(start),
            Part::Node(rule, width) => {
                Tree::Node { rule: *rule, matches: true, members: (start..start + width).map(Tree::Leaf).collect() }
            }
        });
        Tree::Node { rule: self.rule, matches: true, members: members.collect() }
    }

    /// For each policy, whether its level may be lowered: only under nothing but `all-of`.
    pub fn lowers(&self) -> Vec<bool> {
        let below = |part: &Part| matches!(part, Part::Policy | Part::Node(Rule::AllOf, _));
        let parts = self.parts.iter().flat_map(|part| vec![self.rule == Rule::AllOf && below(part); part.width()]);
        parts.collect()
    }

    /// Every choice of levels from `choices` that the load rules accept; where they must not be lowered, deny.
    pub fn levels(&self, choices: &[Rank]) -> Vec<Vec<Rank>> {
        let mut all = vec![Vec::new()];
        for lowers in self.lowers() {
            let here = if lowers { choices } else { &[Rank::Deny] };
            all = all.iter().flat_map(|levels| here.iter().map(|level| [&levels[..], &[*level]].concat())).collect();
        }
        all
    }
}

/// Every shape with so many policies.
pub fn shapes(width: usize) -> Vec<Shape> {
    let with_rule = |parts: Vec<Part>| {
        rules(parts.len()).into_iter().map(move |rule| Shape { rule, parts: parts.clone() }).collect::<Vec<_>>()
    };
    lists(width).into_iter().flat_map(with_rule).collect()
}

/// Every rule for so many members.
fn rules(members: usize) -> Vec<Rule> {
    let mut rules = vec![Rule::AllOf, Rule::FirstOf];
    rules.extend((1..=members).map(Rule::AtLeast));
    rules
}

/// Every list of members with so many policies.
fn lists(width: usize) -> Vec<Vec<Part>> {
    if width == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for first in 1..=width {
        let mut parts: Vec<Part> = rules(first).into_iter().map(|rule| Part::Node(rule, first)).collect();
        if first == 1 {
            parts.push(Part::Policy);
        }
        for rest in lists(width - first) {
            all.extend(parts.iter().map(|part| [&[*part], &rest[..]].concat()));
        }
    }
    all
}
