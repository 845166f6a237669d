use portcullis_gate::{ModulePattern, Reviewers};

use super::*;
use crate::{Bundle, PrivateKey, Review, review_statement, signature_statement};

const NOW: &str = "2026-03-14T09:30:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn key(name: &str) -> PrivateKey {
    PrivateKey::from_seed(Sha256::of(name.as_bytes()).as_bytes()).unwrap()
}

fn keys() -> Vec<NamedKey> {
    let key = |name: &str| NamedKey { name: name.into(), key: key(name).public().clone(), not_after: None };
    ["release", "alice", "bob", "carol", "mallory"].map(key).into()
}

fn module() -> Sha256 {
    Sha256::of(b"module")
}

fn verified(bundle: &[u8]) -> Evidence {
    Bundle::parse(bundle).unwrap().verify(module(), keys().iter().map(|key| &key.key)).unwrap()
}

fn signed(by: &str) -> Evidence {
    verified(&Bundle::sign(signature_statement("a.wasm", module(), 6, now()), &key(by)))
}

fn reviewed(by: &str, note: &str) -> Evidence {
    let inspection = serde_json::Value::Null;
    let review = Review { reviewer: by.into(), reviewed_at: now(), note: Some(note.into()), inspection };
    verified(&Bundle::sign(review_statement("a.wasm", module(), &review), &key(by)))
}

fn rule(signed_by: &[&str], any: u32, of: &[&str]) -> TrustRule {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    TrustRule {
        modules: vec![ModulePattern::new("*").unwrap()],
        signed_by: names(signed_by),
        reviewed_by: (any > 0).then(|| Reviewers { any, of: names(of) }),
    }
}

fn lacks(rules: &[TrustRule], evidence: &[Evidence]) -> Vec<String> {
    judge(module(), rules, evidence, &keys(), now()).iter().map(ToString::to_string).collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_rule_is_met_by_a_signature_and_enough_reviews() {
    let rules = [rule(&["release"], 2, &["alice", "bob", "carol"])];
    assert_eq!(
        lacks(&rules, &[]),
        ["needs a signature by release, found none", "needs reviews by 2 of alice, bob, carol, found none"]
    );
    let all = [signed("release"), reviewed("alice", ""), reviewed("carol", "")];
    assert_eq!(lacks(&rules, &all), NOTHING);
    for left_out in 0..all.len() {
        let rest: Vec<_> = all.iter().enumerate().filter(|(n, _)| *n != left_out).map(|(_, one)| one.clone()).collect();
        assert_eq!(lacks(&rules, &rest).len(), 1, "{left_out}");
    }
}

#[test]
fn keys_count_and_not_files() {
    let rules = [rule(&[], 2, &["alice", "bob"])];
    let twice = [reviewed("alice", "one"), reviewed("alice", "two")];
    assert_ne!(twice[0].bundle(), twice[1].bundle());
    assert_eq!(lacks(&rules, &twice), ["needs reviews by 2 of alice, bob, found alice"]);
    assert_eq!(lacks(&rules, &[twice[0].clone(), reviewed("bob", "")]), NOTHING);
}

#[test]
fn one_key_under_two_names_counts_once() {
    let mut keys = keys();
    keys.push(NamedKey { name: "alias".into(), ..keys[1].clone() });
    let unmet = judge(module(), &[rule(&[], 2, &["alice", "alias"])], &[reviewed("alice", "")], &keys, now());
    assert_eq!(unmet.len(), 1);
}

#[test]
fn whoever_signed_is_no_reviewer() {
    let rules = [rule(&["alice", "release"], 1, &["alice", "bob"])];
    let own = [signed("alice"), reviewed("alice", "")];
    assert_eq!(
        lacks(&rules, &own),
        [
            "needs reviews by 1 of alice, bob, found none; that of alice does not count: the key signed the module as its author"
        ]
    );
    assert_eq!(lacks(&rules, &[signed("release"), reviewed("alice", "")]), NOTHING);
    // Also where the rule asks for no signature, and where another signature is enough.
    assert_eq!(lacks(&[rule(&[], 1, &["alice"])], &own).len(), 1);
    assert_eq!(lacks(&rules, &[signed("release"), signed("alice"), reviewed("alice", "")]).len(), 1);
    // A review is not a signature, and a signature no review.
    assert_eq!(lacks(&[rule(&["alice"], 0, &[])], &[reviewed("alice", "")]).len(), 1);
    assert_eq!(lacks(&[rule(&[], 1, &["release"])], &[signed("release")]).len(), 1);
}

#[test]
fn only_the_keys_of_the_rule_count() {
    let rules = [rule(&["release"], 1, &["alice"])];
    assert_eq!(lacks(&rules, &[signed("mallory"), reviewed("mallory", "")]).len(), 2);
    // Evidence of another module is no evidence, though it was verified for that one.
    let unmet = judge(Sha256::of(b"other"), &rules, &[signed("release"), reviewed("alice", "")], &keys(), now());
    assert_eq!(unmet.len(), 2);
}

#[test]
fn every_rule_must_be_met() {
    let rules = [rule(&["release"], 0, &[]), rule(&["mallory"], 0, &[])];
    assert_eq!(lacks(&rules, &[signed("mallory")]), ["needs a signature by release, found none"]);
    assert_eq!(lacks(&rules, &[signed("mallory"), signed("release")]), NOTHING);
}

#[test]
fn a_key_counts_until_its_end() {
    let rules = [rule(&["release"], 1, &["alice"])];
    let all = [signed("release"), reviewed("alice", "")];
    let ending = |moment: &str| {
        let mut keys = keys();
        keys[0].not_after = Some(moment.parse().unwrap());
        keys[1].not_after = keys[0].not_after;
        judge(module(), &rules, &all, &keys, now()).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(ending("2026-03-14T09:30:01Z"), NOTHING);
    assert_eq!(
        ending(NOW),
        [
            "needs a signature by release, found none; that of release does not count: the key has ended",
            "needs a review by alice, found none; that of alice does not count: the key has ended",
        ]
    );
}
