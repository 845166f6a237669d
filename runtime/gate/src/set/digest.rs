//! The digest of a set: over everything that can change a decision, and nothing else. Paths and comments are not in
//! it; the levels, the tree, the matchers, the limits, the waivers and the digests of all files are.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::lock::LockedPolicy;
use super::tree::{Member, Node, Rule};
use super::trust::{ModulePattern, Trust, TrustKey, TrustRule};
use super::when::{Pattern, When};
use super::{PolicySpec, SetDefinition, Waiver};
use crate::canonical::canonical;
use crate::digest::Sha256;
use crate::limits::LIMIT_KEYS;

/// sha256 of the set as canonical JSON. `locked` is in the order of the set's policies.
pub(super) fn digest(definition: &SetDefinition, locked: &[&LockedPolicy], keys: &BTreeMap<String, Sha256>) -> Sha256 {
    Sha256::of(canonical(&described(definition, locked, keys)).as_bytes())
}

fn described(definition: &SetDefinition, locked: &[&LockedPolicy], keys: &BTreeMap<String, Sha256>) -> Value {
    let policies = definition.policies().iter().zip(locked).map(|(spec, locked)| policy(spec, locked));
    let name = |place: usize| definition.policies().get(place).map_or("", |spec| spec.name.as_str());
    let mut set = json!({
        "portcullis-set": 1,
        "name": definition.name(),
        "absent": definition.absent().as_str(),
        "valid-for-seconds": definition.valid_for_seconds(),
        "policies": policies.collect::<Vec<_>>(),
        "tree": node(definition.root(), &name),
        "mask": definition.masks().iter().map(crate::mask::Mask::as_str).collect::<Vec<_>>(),
        "waivers": definition.waivers().iter().map(|one| waiver(one, name(one.policy))).collect::<Vec<_>>(),
    });
    // What trusts nobody by name has the digest that it had before there were names.
    if *definition.trust() != Trust::default()
        && let Some(members) = set.as_object_mut()
    {
        members.insert("trust".into(), trust(definition.trust(), keys));
    }
    set
}

fn trust(trust: &Trust, ids: &BTreeMap<String, Sha256>) -> Value {
    let sorted = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
    let key = |key: &TrustKey| json!({ "name": key.name, "id": ids.get(&key.name), "not-after": key.not_after });
    let rule = |rule: &TrustRule| {
        json!({
            "modules": rule.modules.iter().map(ModulePattern::as_str).collect::<BTreeSet<_>>(),
            "signed-by": sorted(&rule.signed_by),
            "reviewed-by": rule.reviewed_by.as_ref().map(|reviewed| json!([reviewed.any, sorted(&reviewed.of)])),
        })
    };
    json!({
        "default": trust.default.as_str(),
        "keys": trust.keys.iter().map(key).collect::<Vec<_>>(),
        "rules": trust.rules.iter().map(rule).collect::<Vec<_>>(),
    })
}

fn policy(spec: &PolicySpec, locked: &LockedPolicy) -> Value {
    let limits: serde_json::Map<_, _> =
        LIMIT_KEYS.iter().map(|limit| (limit.key.to_owned(), limit.get(&spec.limits).into())).collect();
    json!({
        "name": spec.name,
        "module": locked.module_sha256,
        "settings": locked.settings_sha256,
        "data": locked.data,
        "inputs": locked.inputs,
        "enforce": spec.enforce,
        "when": when(&spec.when),
        "limits": limits,
    })
}

/// Fields and values in an order that does not depend on how they were written.
fn when(when: &When) -> Value {
    let mut fields: Vec<_> = when
        .fields
        .iter()
        .map(|field| {
            let mut values: Vec<_> = field.any_of.iter().map(pattern).collect();
            values.sort_by_key(Value::to_string);
            json!([field.pointer.as_str(), values])
        })
        .collect();
    fields.sort_by_key(Value::to_string);
    Value::from(fields)
}

fn pattern(pattern: &Pattern) -> Value {
    match pattern {
        Pattern::Text(text) => json!({ "text": text }),
        Pattern::Prefix(prefix) => json!({ "prefix": prefix }),
        Pattern::Integer(integer) => json!(integer),
        Pattern::Boolean(boolean) => json!(boolean),
    }
}

fn node<'p>(tree: &Node, name: &impl Fn(usize) -> &'p str) -> Value {
    let (rule, n) = match tree.rule {
        Rule::AllOf => ("all-of", None),
        Rule::AtLeast(n) => ("at-least", Some(n)),
        Rule::FirstOf => ("first-of", None),
    };
    let member = |member: &Member| match member {
        Member::Policy(place) => json!(name(*place)),
        Member::Node(inner) => node(inner, name),
    };
    json!({
        "name": tree.name,
        "rule": rule,
        "n": n,
        "when": when(&tree.when),
        "members": tree.members.iter().map(member).collect::<Vec<_>>(),
    })
}

fn waiver(waiver: &Waiver, policy: &str) -> Value {
    json!({
        "policy": policy,
        "code": waiver.code,
        "when": when(&waiver.when),
        "becomes": waiver.becomes,
        "reason": waiver.reason,
        "owner": waiver.owner,
        "until": waiver.until,
    })
}
