//! What keys and trust rules must be.

use std::collections::{HashMap, HashSet};

use super::check::{FILE_HELP, NAME_HELP, Place, is_file, is_name};
use super::read::nearest;
use super::trust::{KeySource, MAX_TRUST_KEYS, MAX_TRUST_RULES, Trust, TrustRule};

pub(super) fn check_trust(trust: &Trust, report: &mut impl FnMut(Place, String, &str)) {
    for (what, key, count, most) in [
        ("keys", "keys", trust.keys.len(), MAX_TRUST_KEYS),
        ("trust rules", "trust", trust.rules.len(), MAX_TRUST_RULES),
    ] {
        if count > most {
            report(Place::Set(key), format!("{count} {what}, more than {most}"), "split the set");
        }
    }
    let mut inline = HashMap::new();
    for (place, key) in trust.keys.iter().enumerate() {
        if !is_name(&key.name) {
            report(Place::Key(place, ""), format!("{:?} is not a name", key.name), NAME_HELP);
        }
        match &key.source {
            KeySource::File(file) if !is_file(file) => {
                let message = "the key's file name is empty or has control characters";
                report(Place::Key(place, "public-key-file"), message.into(), FILE_HELP);
            }
            KeySource::File(_) => {}
            KeySource::Inline(public) => {
                if let Some(first) = inline.insert(public.id(), &key.name) {
                    let message = format!("{:?} is the same key as {first:?}", key.name);
                    report(Place::Key(place, "public-key"), message, ONE_NAME);
                }
            }
        }
    }
    for (place, rule) in trust.rules.iter().enumerate() {
        check_rule(place, rule, trust, report);
    }
}

fn check_rule(place: usize, rule: &TrustRule, trust: &Trust, report: &mut impl FnMut(Place, String, &str)) {
    let at = |key| Place::Trust(place, key);
    if rule.modules.is_empty() {
        report(at("modules"), "the rule matches no module".into(), "modules = [\"policies/*.wasm\"]");
    }
    let reviewers = rule.reviewed_by.as_ref().map_or(&[][..], |reviewed| &reviewed.of);
    for (key, names) in [("signed-by", rule.signed_by.as_slice()), ("reviewed-by", reviewers)] {
        let mut seen = HashSet::new();
        for name in names {
            if !seen.insert(name) {
                report(at(key), format!("{name:?} stands twice"), "a key counts once");
            }
            if trust.key(name).is_none() {
                let near = nearest(name, trust.keys.iter().map(|key| key.name.as_str()));
                let help =
                    near.map_or_else(|| format!("add it: [keys.{name}]"), |near| format!("did you mean {near:?}?"));
                report(at(key), format!("there is no key {name:?}"), &help);
            }
        }
    }
    match &rule.reviewed_by {
        None if rule.signed_by.is_empty() => {
            let help = "say signed-by or reviewed-by; what needs neither follows `trust-default`";
            report(at(""), "the rule asks for nothing".into(), help);
        }
        None => {}
        Some(reviewed) => {
            let any = usize::try_from(reviewed.any).unwrap_or(usize::MAX);
            if !(1..=reviewed.of.len()).contains(&any) {
                let message = format!("any = {} of {} keys", reviewed.any, reviewed.of.len());
                report(at("reviewed-by"), message, "give 1 to the number of keys");
            } else if let Some(left) = reviewers_left(rule, &reviewed.of)
                && left < any
            {
                let message = format!(
                    "no module can meet this: whoever signs it does not count as its reviewer, which leaves {left} of {any}"
                );
                report(at("reviewed-by"), message, "name other keys, or ask for fewer");
            }
        }
    }
}

/// The most keys that are left to review when one of the signers has signed.
fn reviewers_left(rule: &TrustRule, of: &[String]) -> Option<usize> {
    rule.signed_by.iter().map(|signer| of.iter().filter(|reviewer| *reviewer != signer).count()).max()
}

const ONE_NAME: &str = "a key has one name: under two it would count twice";
