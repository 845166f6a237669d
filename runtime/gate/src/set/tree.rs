//! The combination tree of a policy set: its shape. `combine` says what it decides.

use super::when::When;

/// Deepest nesting of nodes; the root is the first level.
pub const MAX_TREE_DEPTH: usize = 16;

/// A node: members, and the rule by which they decide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// What messages call it; without a name, its rule.
    pub name: Option<String>,
    /// How its members decide.
    pub rule: Rule,
    /// Which requests it concerns; for others, everything below is skipped.
    pub when: When,
    /// In the manifest's order. Only the root of a set without policies is empty.
    pub members: Vec<Member>,
}

/// A member of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member {
    /// A policy, by its place among the set's policies.
    Policy(usize),
    /// A node.
    Node(Node),
}

/// How the members of a node decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rule {
    /// The strictest member decides.
    #[default]
    AllOf,
    /// The n-th most lenient member decides; `any-of` is `AtLeast(1)`.
    AtLeast(u32),
    /// The first member that does not abstain decides.
    FirstOf,
}

impl Node {
    /// What messages call the node.
    #[must_use]
    pub fn label(&self) -> String {
        match (&self.name, self.rule) {
            (Some(name), _) => format!("{name:?}"),
            (None, Rule::AllOf) => "`all-of`".into(),
            (None, Rule::AtLeast(1)) => "`any-of`".into(),
            (None, Rule::AtLeast(n)) => format!("`at-least = {n}`"),
            (None, Rule::FirstOf) => "`first-of`".into(),
        }
    }
}
