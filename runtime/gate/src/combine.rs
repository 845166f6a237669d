//! One rule: what a tree of outcomes decides, and which policies contribute to it.

use crate::outcome::Outcome;
use crate::set::{Member, Node, Rule};

/// What one policy counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// `None` where it abstained or was skipped.
    pub counted: Option<Outcome>,
    /// It cannot stop a request, so it does not count as having applied.
    pub advisory: bool,
}

/// What a tree decides.
#[derive(Debug)]
pub(crate) struct Combined<'t> {
    /// `None` where the root abstains.
    pub outcome: Option<Outcome>,
    /// For each policy, whether it contributes.
    pub contributes: Vec<bool>,
    /// Contributing nodes with fewer than `n` members that do not abstain, in the tree's order.
    pub too_few: Vec<TooFew<'t>>,
}

/// An `at-least` node that denies because too few of its members applied.
#[derive(Debug)]
pub(crate) struct TooFew<'t> {
    pub node: &'t Node,
    pub needed: u32,
    pub applied: usize,
}

/// Combines the policies' outcomes; `leaves` are in the order of the set's policies.
pub(crate) fn combine<'t>(root: &'t Node, leaves: &[Leaf]) -> Combined<'t> {
    let outcome = of_node(root, leaves);
    let mut combined = Combined { outcome, contributes: vec![false; leaves.len()], too_few: Vec::new() };
    if outcome.is_some() {
        combined.mark(root, leaves);
    }
    combined
}

/// The outcome of a node; `None` where it abstains.
fn of_node(node: &Node, leaves: &[Leaf]) -> Option<Outcome> {
    match node.rule {
        Rule::AllOf => {
            let mut strictest = None;
            let mut applied = false;
            for member in &node.members {
                if let Some(outcome) = of_member(member, leaves) {
                    strictest = strictest.max(Some(outcome));
                    applied |= !is_advisory(member, leaves);
                }
            }
            if applied { strictest } else { None }
        }
        Rule::AtLeast(n) => {
            let members = by_leniency(node, leaves);
            match (members.len(), n_th(&members, n)) {
                (0, _) => None,
                (_, Some(outcome)) => Some(outcome),
                (_, None) => Some(Outcome::Deny),
            }
        }
        Rule::FirstOf => node.members.iter().find_map(|member| of_member(member, leaves)),
    }
}

fn of_member(member: &Member, leaves: &[Leaf]) -> Option<Outcome> {
    match member {
        Member::Policy(policy) => leaves.get(*policy)?.counted,
        Member::Node(node) => of_node(node, leaves),
    }
}

fn is_advisory(member: &Member, leaves: &[Leaf]) -> bool {
    match member {
        Member::Policy(policy) => leaves.get(*policy).is_some_and(|leaf| leaf.advisory),
        Member::Node(_) => false,
    }
}

/// The members that do not abstain, the most lenient first, ties in the manifest's order.
fn by_leniency<'t>(node: &'t Node, leaves: &[Leaf]) -> Vec<(Outcome, &'t Member)> {
    let mut members: Vec<_> =
        node.members.iter().filter_map(|member| Some((of_member(member, leaves)?, member))).collect();
    members.sort_by_key(|(outcome, _)| *outcome);
    members
}

/// The outcome of the n-th most lenient member; `None` where there are fewer.
fn n_th(members: &[(Outcome, &Member)], n: u32) -> Option<Outcome> {
    let place = usize::try_from(n).ok()?.checked_sub(1)?;
    members.get(place).map(|(outcome, _)| *outcome)
}

impl<'t> Combined<'t> {
    /// Marks what contributes to a node that does not abstain.
    fn mark(&mut self, node: &'t Node, leaves: &[Leaf]) {
        match node.rule {
            Rule::AllOf => {
                for member in node.members.iter().filter(|member| of_member(member, leaves).is_some()) {
                    self.mark_member(member, leaves);
                }
            }
            Rule::AtLeast(n) => {
                let members = by_leniency(node, leaves);
                if n_th(&members, n).is_none() {
                    self.too_few.push(TooFew { node, needed: n, applied: members.len() });
                }
                for (_, member) in members.iter().take(usize::try_from(n).unwrap_or(usize::MAX)) {
                    self.mark_member(member, leaves);
                }
            }
            Rule::FirstOf => {
                if let Some(member) = node.members.iter().find(|member| of_member(member, leaves).is_some()) {
                    self.mark_member(member, leaves);
                }
            }
        }
    }

    fn mark_member(&mut self, member: &'t Member, leaves: &[Leaf]) {
        match member {
            Member::Policy(policy) => {
                if let Some(contributes) = self.contributes.get_mut(*policy) {
                    *contributes = true;
                }
            }
            Member::Node(node) => self.mark(node, leaves),
        }
    }
}
