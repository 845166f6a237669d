use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::testing::{NOW, time};
use crate::*;

const MANIFEST: &str = r#"portcullis = 1
name = "acme"
trust-default = "refuse"
[[policy]]
name = "a"
module = "a.wasm"
[keys.release]
public-key-file = "keys/release.pub"
[keys.alice]
public-key = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
not-after = 2027-01-01T00:00:00Z
[keys.bob]
public-key-file = "keys/bob.pub"
[[trust]]
modules = ["*.wasm", "oci://registry.example.com/policies/*"]
signed-by = ["release"]
reviewed-by = { any = 2, of = ["alice", "bob"] }
"#;

fn parse(text: &str) -> Result<Manifest, SourceError> {
    Manifest::parse("portcullis.toml", text.as_bytes(), time(NOW))
}

fn definition(text: &str) -> SetDefinition {
    parse(text).unwrap_or_else(|error| panic!("{error}")).definition
}

/// What is found of the keys in files.
fn found() -> BTreeMap<String, Sha256> {
    ["release", "bob"].map(|name| (name.to_owned(), Sha256::of(name.as_bytes()))).into()
}

fn policies() -> Vec<FoundPolicy> {
    let digest = Some(Sha256::of(b"m"));
    vec![FoundPolicy { module_sha256: digest, settings_sha256: digest, ..FoundPolicy::default() }]
}

fn locked(text: &str) -> Lock {
    let mut definition = definition(text);
    definition.find_keys(&found());
    Lock::new(&definition, &policies(), "portcullis.toml").unwrap()
}

#[test]
fn keys_and_rules_are_read() {
    let manifest = parse(MANIFEST).unwrap();
    assert_eq!(manifest.warnings, []);
    let trust = manifest.definition.trust();
    assert!(trust.asks());
    assert_eq!(trust.default, TrustDefault::Refuse);
    let [alice, bob, release] = trust.keys.as_slice() else { panic!("{trust:?}") };
    assert!(matches!(&alice.source, KeySource::Inline(_)) && alice.not_after == Some(time("2027-01-01T00:00:00Z")));
    assert_eq!(bob.source, KeySource::File("keys/bob.pub".into()));
    assert_eq!((release.name.as_str(), release.not_after), ("release", None));
    let [rule] = trust.rules.as_slice() else { panic!("{trust:?}") };
    assert_eq!(rule.signed_by, ["release"]);
    assert_eq!(rule.reviewed_by, Some(Reviewers { any: 2, of: vec!["alice".into(), "bob".into()] }));
    assert!(rule.modules[1].matches("oci://registry.example.com/policies/a:1"));
}

#[test]
fn warns_of_keys_that_have_ended_or_that_nothing_asks_for() {
    let ended = parse(&MANIFEST.replace("2027-01-01T00:00:00Z", NOW)).unwrap();
    assert!(ended.warnings[0].message.contains("\"alice\" ended at 2026-03-14"), "{:?}", ended.warnings);
    let (keys, _) = MANIFEST.split_once("[[trust]]").unwrap();
    let unasked = parse(&keys.replace("trust-default = \"refuse\"\n", "")).unwrap();
    assert!(unasked.warnings[0].message.contains("nothing asks"), "{:?}", unasked.warnings);
}

/// Each is a change to a good manifest: what to replace, and by what.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("a default that is none", "\"refuse\"", "\"allow\""),
    ("a key that is none", "MCow", "MCox"),
    ("a key twice in one table", "not-after", "public-key-file = \"x\"\nnot-after"),
    ("a key without a key", "public-key-file = \"keys/bob.pub\"\n", ""),
    ("a key's file that is none", "\"keys/bob.pub\"", "\"\""),
    ("a key's end in quotes", "2027-01-01T00:00:00Z", "\"2027\""),
    ("a key misspelt", "public-key-file = \"keys/bob.pub\"", "public-key-fil = \"keys/bob.pub\""),
    ("a key's name that is none", "[keys.bob]", "[keys.Bob]"),
    (
        "one key under two names",
        "public-key-file = \"keys/bob.pub\"",
        "public-key = \"MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\"",
    ),
    ("a private key", "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=", "-----BEGIN PRIVATE KEY-----"),
    (
        "a key of small order",
        "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=",
        "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    ),
    ("a rule without modules", "modules = [\"*.wasm\", \"oci://registry.example.com/policies/*\"]\n", ""),
    ("a rule about nothing", "[\"*.wasm\", \"oci://registry.example.com/policies/*\"]", "[]"),
    ("a pattern that is none", "\"*.wasm\"", "\"policies/*/../*.wasm\""),
    (
        "a rule that asks for nothing",
        "signed-by = [\"release\"]\nreviewed-by = { any = 2, of = [\"alice\", \"bob\"] }\n",
        "",
    ),
    ("signed by nobody", "[\"release\"]", "[]"),
    ("signed by an unknown key", "[\"release\"]", "[\"relaese\"]"),
    ("a reviewer twice", "[\"alice\", \"bob\"]", "[\"alice\", \"bob\", \"alice\"]"),
    ("an unknown reviewer", "[\"alice\", \"bob\"]", "[\"alice\", \"bob\", \"dave\"]"),
    ("more reviews than reviewers", "any = 2", "any = 3"),
    ("no reviews", "any = 2", "any = 0"),
    ("reviews by nobody", ", of = [\"alice\", \"bob\"]", ""),
    ("reviewers without a number", "any = 2, ", ""),
    ("what nobody can meet", "signed-by = [\"release\"]", "signed-by = [\"bob\"]"),
    (
        "a default without a rule",
        "[[trust]]\nmodules = [\"*.wasm\", \"oci://registry.example.com/policies/*\"]\nsigned-by = [\"release\"]\nreviewed-by = { any = 2, of = [\"alice\", \"bob\"] }\n",
        "",
    ),
];

#[test]
fn each_mistake_has_its_line_and_its_remedy() {
    let mut shown = String::new();
    for (name, from, to) in MISTAKES {
        assert!(MANIFEST.contains(from), "{name}");
        let error = parse(&MANIFEST.replacen(from, to, 1)).expect_err(name);
        writeln!(shown, "## {name}\n{error}").unwrap();
    }
    insta::assert_snapshot!("trust_mistakes", shown);
}

#[test]
fn the_lock_pins_every_key() {
    let lock = locked(MANIFEST);
    assert_eq!(lock.keys.len(), 3);
    assert_eq!(Lock::parse("portcullis.lock", lock.render().as_bytes()).unwrap(), lock);
    let verify = |lock: &Lock, text: &str, found: &BTreeMap<String, Sha256>| {
        let mut definition = definition(text);
        definition.find_keys(found);
        let mismatches = lock.verify(&definition, &policies(), "portcullis.toml");
        mismatches.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(verify(&lock, MANIFEST, &found()), [""; 0]);
    let other = Sha256::of(b"other");
    let mut changed = found();
    changed.insert("bob".into(), other);
    let says = verify(&lock, MANIFEST, &changed);
    let bob = Sha256::of(b"bob");
    assert_eq!(says, [format!("keys/bob.pub: the key \"bob\": changed, expected {bob}, found {other}")]);
    changed.remove("bob");
    assert!(verify(&lock, MANIFEST, &changed)[0].contains("the key \"bob\": gone or unreadable"));
    // What the manifest says a key is, no file says otherwise.
    changed = found();
    changed.insert("alice".into(), other);
    assert_eq!(verify(&lock, MANIFEST, &changed), [""; 0]);
    // Another key in the manifest.
    let inline = MANIFEST
        .replace("Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=", "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
    assert!(verify(&lock, &inline, &found())[0].contains("portcullis.toml: the key \"alice\": changed"));
    // Another key in the lock: the set's digest is no longer that of what it says.
    let mut edited = lock.clone();
    edited.keys.insert("bob".into(), other);
    changed = found();
    changed.insert("bob".into(), other);
    assert!(verify(&edited, MANIFEST, &changed)[0].contains("portcullis.toml: the set (its levels"));
    let mut surplus = lock.clone();
    surplus.keys.insert("carol".into(), other);
    assert!(verify(&surplus, MANIFEST, &found())[0].contains("the key \"carol\": gone"));
    let unread = Lock::new(&definition(MANIFEST), &policies(), "portcullis.toml").unwrap_err();
    let unread: Vec<_> = unread.iter().map(ToString::to_string).collect();
    assert_eq!(
        unread,
        ["keys/bob.pub: the key \"bob\": unreadable", "keys/release.pub: the key \"release\": unreadable"]
    );
}

#[test]
fn whom_a_set_believes_is_in_its_digest() {
    let mut seen = std::collections::HashMap::from([(locked(MANIFEST).set_sha256, "unchanged")]);
    for (name, from, to) in [
        ("default", "\"refuse\"", "\"accept\""),
        ("the end of a key", "2027-01-01", "2028-01-01"),
        ("no end of a key", "not-after = 2027-01-01T00:00:00Z\n", ""),
        ("a pattern", "\"*.wasm\"", "\"?.wasm\""),
        ("no pattern", "\"*.wasm\", ", ""),
        ("signers", "[\"release\"]\nreviewed-by = { any = 2", "[\"release\", \"alice\"]\nreviewed-by = { any = 1"),
        ("no signers", "signed-by = [\"release\"]\n", ""),
        ("how many", "any = 2", "any = 1"),
        ("reviewers", "[\"alice\", \"bob\"]", "[\"alice\", \"bob\", \"release\"]"),
        ("no reviewers", "reviewed-by = { any = 2, of = [\"alice\", \"bob\"] }\n", ""),
        ("a key", "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=", "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="),
    ] {
        assert!(MANIFEST.contains(from), "{name}");
        let text = MANIFEST.replacen(from, to, 1);
        assert_eq!(seen.insert(locked(&text).set_sha256, name), None, "{name}");
    }
    // The order of names, and where a key is, change nothing.
    assert!(seen.contains_key(&locked(&MANIFEST.replace("[\"alice\", \"bob\"]", "[\"bob\", \"alice\"]")).set_sha256));
    assert!(seen.contains_key(&locked(&MANIFEST.replace("keys/bob.pub", "keys/robert.pub")).set_sha256));
}
