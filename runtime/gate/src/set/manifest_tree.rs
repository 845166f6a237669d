//! `[tree]` in a manifest.

use std::collections::HashMap;
use std::ops::Range;

use toml::de::DeValue;

use super::manifest::{read_when, unknown_policy_help};
use super::read::{Item, Reader, Table, kind};
use super::tree::{MAX_TREE_DEPTH, Member, Node, Rule};

/// Reads the tree, and keeps the places of its nodes and leaves in the order of [`Place`](super::Place).
pub(super) struct TreeReader<'r, 't> {
    pub reader: &'r mut Reader,
    pub by_name: &'r HashMap<&'r str, usize>,
    pub nodes: Vec<Table<'t>>,
    pub leaves: Vec<Range<usize>>,
}

impl<'t> TreeReader<'_, 't> {
    pub fn root(&mut self, item: &'t Item<'t>) -> Option<Node> {
        let table = self.reader.table(item, "the tree", "write [tree], and in it a rule with its members")?;
        self.node(&table, 1)
    }

    fn node(&mut self, table: &Table<'t>, depth: usize) -> Option<Node> {
        if depth > MAX_TREE_DEPTH {
            self.reader.report(
                table.span.clone(),
                format!("the tree is nested deeper than {MAX_TREE_DEPTH} levels"),
                "an all-of within an all-of can be written as one",
            );
            return None;
        }
        self.reader.keys(table, &NODE_KEYS);
        self.nodes.push(table.clone());
        let when = read_when(self.reader, table);
        let name = self.reader.string(table, "name", "name a node in quotes");
        let (rule, members) = self.rule(table)?;
        let listed = self.reader.array(members, "the members", RULE_HELP)?;
        let mut members = Vec::with_capacity(listed.len());
        for item in listed {
            members.extend(self.member(item, depth));
        }
        Some(Node { name: name.map(Into::into), rule, when, members })
    }

    /// The rule of a node and the list of its members.
    fn rule(&mut self, table: &Table<'t>) -> Option<(Rule, &'t Item<'t>)> {
        let of = table.entries.get("of");
        let mut found = RULE_KEYS.iter().filter_map(|(key, rule)| Some((key, *rule, table.entries.get(*key)?)));
        let Some((key, rule, item)) = found.next() else {
            self.reader.report(table.span.clone(), format!("{} has no rule", table.what), RULE_HELP);
            return None;
        };
        if let Some((second, _, item)) = found.next() {
            self.reader.report(item.span(), format!("one node has the rules `{key}` and `{second}`"), RULE_HELP);
            return None;
        }
        match (rule, of) {
            (Some(rule), None) => Some((rule, item)),
            (Some(_), Some(of)) => {
                self.reader.report(of.span(), format!("`of` beside `{key}`"), RULE_HELP);
                None
            }
            (None, None) => {
                self.reader.report(item.span(), "`at-least` without `of`", RULE_HELP);
                None
            }
            (None, Some(of)) => {
                let n = self.reader.unsigned(item, "`at-least`", "give 1 to the number of members")?;
                Some((Rule::AtLeast(u32::try_from(n).unwrap_or(u32::MAX)), of))
            }
        }
    }

    fn member(&mut self, item: &'t Item<'t>, depth: usize) -> Option<Member> {
        match item.get_ref() {
            DeValue::String(name) => {
                self.leaves.push(item.span());
                let place = self.by_name.get(name.as_ref()).copied();
                if place.is_none() {
                    let help = unknown_policy_help(name, self.by_name);
                    self.reader.report(
                        item.span(),
                        format!("the tree names {name:?}, which is no policy of this set"),
                        help,
                    );
                }
                place.map(Member::Policy)
            }
            DeValue::Table(_) => {
                let table = self.reader.table(item, "a node", RULE_HELP)?;
                self.node(&table, depth.saturating_add(1)).map(Member::Node)
            }
            other => {
                let message = format!("a member is the name of a policy or a node, not {}", kind(other));
                self.reader.report(item.span(), message, RULE_HELP);
                None
            }
        }
    }
}

/// The keys that make a rule; `at-least` has its members in `of`.
const RULE_KEYS: [(&str, Option<Rule>); 4] = [
    ("all-of", Some(Rule::AllOf)),
    ("any-of", Some(Rule::AtLeast(1))),
    ("first-of", Some(Rule::FirstOf)),
    ("at-least", None),
];
const NODE_KEYS: [&str; 7] = ["all-of", "any-of", "first-of", "at-least", "of", "name", "when"];
const RULE_HELP: &str =
    "a node has one of: all-of = [..], any-of = [..], first-of = [..], or at-least = 2 with of = [..]";
