//! What a set must be, whichever way it was made.

use std::collections::HashSet;

use super::check_trust::check_trust;
use super::tree::{MAX_TREE_DEPTH, Member, Node, Rule};
use super::when::When;
use super::{MAX_NAME_BYTES, MAX_POLICIES, MAX_VALID_FOR_SECONDS, MAX_WAIVERS, PolicySpec, SetParts, Settings, Waiver};
use crate::answer::{MAX_TEXT_BYTES, is_policy_code};
use crate::fault::Fault;
use crate::mask::MAX_MASKS;
use crate::oci::OciReference;

/// One thing that is wrong with a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: String,
}

/// A place in a set. Keys are those of the manifest; the empty key is the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A key of the manifest itself.
    Set(&'static str),
    /// A key of a policy, by the policy's place.
    Policy(usize, &'static str),
    /// A key of a node, by its place in the tree: the root is 0, members follow their node.
    Node(usize, &'static str),
    /// A policy's mention in the tree, by its place among all mentions.
    Leaf(usize),
    /// A key of a waiver, by the waiver's place.
    Waiver(usize, &'static str),
    /// A key of a trusted key, by its place.
    Key(usize, &'static str),
    /// A key of a trust rule, by its place.
    Trust(usize, &'static str),
}

pub(super) fn check(parts: &SetParts) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut report = |place, message: String, help: &str| problems.push(Problem { place, message, help: help.into() });
    check_set(parts, &mut report);
    let mut names = HashSet::new();
    for (place, policy) in parts.policies.iter().enumerate() {
        check_policy(place, policy, &mut report);
        if !names.insert(policy.name.as_str()) {
            let Problem { place, message, help } = same_name(place, policy);
            report(place, message, &help);
        }
    }
    TreeCheck { parts, report: &mut report, nodes: 0, leaves: 0, used: vec![false; parts.policies.len()] }.run();
    for (place, waiver) in parts.waivers.iter().enumerate() {
        check_waiver(place, waiver, parts, &mut report);
    }
    check_trust(&parts.trust, &mut report);
    problems
}

pub(super) fn same_name(place: usize, policy: &PolicySpec) -> Problem {
    Problem {
        place: Place::Policy(place, "name"),
        message: format!("a second policy is named {:?}", policy.name),
        help: "give each policy a name of its own: findings, waivers and the lock refer to it".into(),
    }
}

fn check_set(parts: &SetParts, report: &mut impl FnMut(Place, String, &str)) {
    if !is_name(&parts.name) {
        report(Place::Set("name"), format!("{:?} is not a name", parts.name), NAME_HELP);
    }
    if !(1..=MAX_VALID_FOR_SECONDS).contains(&parts.valid_for_seconds) {
        report(
            Place::Set("valid-for-seconds"),
            format!("a decision cannot hold for {} seconds", parts.valid_for_seconds),
            "give 1 to 86,400 seconds; 300 is the default",
        );
    }
    if parts.policies.len() > MAX_POLICIES {
        report(
            Place::Set("policy"),
            format!("{} policies, more than {MAX_POLICIES}", parts.policies.len()),
            "split the set: one manifest per kind of change",
        );
    }
    if parts.masks.len() > MAX_MASKS {
        report(
            Place::Set("mask"),
            format!("{} masks, more than {MAX_MASKS}", parts.masks.len()),
            "use * and ** to name several fields at once",
        );
    }
    if parts.waivers.len() > MAX_WAIVERS {
        report(
            Place::Set("waiver"),
            format!("{} waivers, more than {MAX_WAIVERS}", parts.waivers.len()),
            "change the policies' settings instead of waiving what they say",
        );
    }
}

fn check_policy(place: usize, policy: &PolicySpec, report: &mut impl FnMut(Place, String, &str)) {
    let at = |key| Place::Policy(place, key);
    if !is_name(&policy.name) {
        report(at("name"), format!("{:?} is not a name", policy.name), NAME_HELP);
    } else if policy.name == HOST_NAME {
        report(at("name"), format!("{HOST_NAME:?} is the host's own name in findings"), "choose another name");
    }
    if !is_file(&policy.module) {
        report(at("module"), "the module's file name is empty or has control characters".into(), FILE_HELP);
    }
    match OciReference::of_module(&policy.module) {
        Some(Err(error)) => report(at("module"), format!("{:?} is no reference: {error}", policy.module), OCI_HELP),
        None if policy.module.contains("://") => {
            report(at("module"), format!("a module cannot come from {:?}", policy.module), OCI_HELP);
        }
        None | Some(Ok(_)) => {}
    }
    if let Settings::File(file) = &policy.settings
        && !is_file(file)
    {
        report(at("settings-file"), "the file name is empty or has control characters".into(), FILE_HELP);
    }
    for (name, file) in &policy.data {
        if !is_name(name) {
            report(at("data"), format!("{name:?} is not a document's name"), NAME_HELP);
        }
        if !is_file(file) {
            report(at("data"), format!("the file of {name:?} is empty or has control characters"), FILE_HELP);
        }
    }
    if let Err(error) = policy.limits.check() {
        report(at("limits"), error.to_string(), "every limit is finite and none is 0");
    }
    check_when(at("when"), &policy.when, report);
}

fn check_when(place: Place, when: &When, report: &mut impl FnMut(Place, String, &str)) {
    for field in &when.fields {
        if field.pointer.as_str().is_empty() {
            report(
                place,
                "the empty pointer is the whole request: nothing can be compared with it".into(),
                "name a field, as in \"/context/change/kind\"",
            );
        }
        if field.any_of.is_empty() {
            report(
                place,
                format!("{:?} has no values: it would never match", field.pointer.as_str()),
                "give a value or a list of values",
            );
        }
    }
}

fn check_waiver(place: usize, waiver: &Waiver, parts: &SetParts, report: &mut impl FnMut(Place, String, &str)) {
    let at = |key| Place::Waiver(place, key);
    if let Some(policy) = parts.policies.get(waiver.policy) {
        if waiver.becomes >= policy.enforce {
            report(
                at("becomes"),
                format!(
                    "the waiver does nothing: {:?} enforces {}, and {} is not more lenient",
                    policy.name, policy.enforce, waiver.becomes
                ),
                "choose a more lenient outcome, or remove the waiver",
            );
        }
    } else {
        report(at("policy"), "the waiver names no policy of this set".into(), "name one of the set's policies");
    }
    if !is_policy_code(&waiver.code) && Fault::from_code(&waiver.code).is_none() {
        report(
            at("code"),
            format!("{:?} is neither a finding's code nor a fault's", waiver.code),
            "a finding's code has at least three segments, as in \"team.policy.reason\"; a fault's is one of those \
             that a decision shows, as in \"fault.time\"",
        );
    }
    for (key, text) in [("reason", &waiver.reason), ("owner", &waiver.owner)] {
        if text.trim().is_empty() || text.len() > MAX_TEXT_BYTES {
            report(
                at(key),
                format!("the waiver's {key} is empty or longer than {MAX_TEXT_BYTES} bytes"),
                "say why it is acceptable, and who answers for it",
            );
        }
    }
    check_when(at("when"), &waiver.when, report);
}

/// Walks the tree once, counting nodes and mentions of policies in the order of [`Place`].
struct TreeCheck<'p, R> {
    parts: &'p SetParts,
    report: R,
    nodes: usize,
    leaves: usize,
    used: Vec<bool>,
}

impl<R: FnMut(Place, String, &str)> TreeCheck<'_, R> {
    fn run(mut self) {
        let parts = self.parts;
        self.node(&parts.root, 1, None);
        for (place, (policy, used)) in parts.policies.iter().zip(&self.used).enumerate() {
            if !used {
                (self.report)(
                    Place::Policy(place, ""),
                    format!("the tree does not use the policy {:?}", policy.name),
                    "put it into the tree, or remove it",
                );
            }
        }
    }

    /// `not_all_of` is the innermost ancestor or self that is not `all-of`.
    fn node(&mut self, node: &Node, depth: usize, not_all_of: Option<&Node>) {
        let place = self.nodes;
        self.nodes = self.nodes.saturating_add(1);
        if depth > MAX_TREE_DEPTH {
            (self.report)(
                Place::Node(place, ""),
                format!("nested deeper than {MAX_TREE_DEPTH} levels"),
                "an all-of within an all-of can be written as one",
            );
            return;
        }
        let members = node.members.len();
        if members == 0 && !(depth == 1 && self.parts.policies.is_empty()) {
            (self.report)(
                Place::Node(place, ""),
                format!("the node {} has no members", node.label()),
                "give it members, or remove it",
            );
        }
        if let Rule::AtLeast(n) = node.rule
            && members > 0
            && !(1..=members).contains(&usize::try_from(n).unwrap_or(usize::MAX))
        {
            (self.report)(
                Place::Node(place, "at-least"),
                format!("at-least = {n} of {members} members"),
                "give 1 to the number of members",
            );
        }
        if let Some(name) = &node.name
            && !is_name(name)
        {
            (self.report)(Place::Node(place, "name"), format!("{name:?} is not a node's name"), NAME_HELP);
        }
        check_when(Place::Node(place, "when"), &node.when, &mut self.report);
        let not_all_of = if node.rule == Rule::AllOf { not_all_of } else { Some(node) };
        for member in &node.members {
            match member {
                Member::Policy(policy) => self.leaf(*policy, not_all_of),
                Member::Node(inner) => self.node(inner, depth.saturating_add(1), not_all_of),
            }
        }
    }

    fn leaf(&mut self, policy: usize, not_all_of: Option<&Node>) {
        let place = Place::Leaf(self.leaves);
        self.leaves = self.leaves.saturating_add(1);
        let (Some(spec), Some(used)) = (self.parts.policies.get(policy), self.used.get_mut(policy)) else {
            (self.report)(place, "the tree names no policy of this set".into(), "name one of the set's policies");
            return;
        };
        if std::mem::replace(used, true) {
            (self.report)(
                place,
                format!("the tree uses the policy {:?} twice", spec.name),
                "a policy stands in one place; a second [[policy]] may name the same module",
            );
        }
        if let Some(node) = not_all_of
            && spec.enforce != crate::Outcome::Deny
        {
            (self.report)(
                place,
                format!(
                    "{:?} enforces {} and stands under {}: there, a lowered level could let a request go on",
                    spec.name,
                    spec.enforce,
                    node.label()
                ),
                "enforce = \"deny\" here, or move the policy to where every node above it is all-of",
            );
        }
    }
}

/// Whether a text is 1 to 64 bytes of `a-z 0-9 - _ .`.
pub(super) fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len())
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'))
}

pub(super) fn is_file(text: &str) -> bool {
    (1..=MAX_TEXT_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// What findings that no policy made name as their policy.
pub(crate) const HOST_NAME: &str = "portcullis";

pub(super) const NAME_HELP: &str = "a name is 1 to 64 of a-z 0-9 - _ .";
const OCI_HELP: &str = "module = \"oci://registry.example.com/policies/window:1.2\", or the path of a file";
pub(super) const FILE_HELP: &str = "give the path of a file, relative to the manifest";
