use std::collections::BTreeMap;

use crate::testing::{NOW, parts, time, waiver, when};
use crate::*;

const MANIFEST: &str = r#"
portcullis = 1
name = "acme-deploys"
[[policy]]
name = "window"
module = "oci://registry.example.com/policies/window:1.2"
settings-file = "window.json"
data = { calendar = "calendar.json" }
[[policy]]
name = "cost"
module = "policies/cost.wasm"
"#;

const WINDOW: &str = "oci://registry.example.com/policies/window:1.2";

fn definition() -> SetDefinition {
    Manifest::parse("portcullis.toml", MANIFEST.as_bytes(), time(NOW)).unwrap().definition
}

fn found() -> Vec<FoundPolicy> {
    let digest = |text: &str| Some(Sha256::of(text.as_bytes()));
    vec![
        FoundPolicy {
            module_sha256: digest("window"),
            oci: Some(OciPin { reference: WINDOW.into(), manifest_sha256: Sha256::of(b"manifest") }),
            settings_sha256: digest("{\"a\":1}"),
            data: BTreeMap::from([("calendar".into(), digest("[]"))]),
            inputs: Some(vec!["/context/environment".into(), "/context/a\"b\n\u{7f}é".into()]),
        },
        FoundPolicy {
            module_sha256: digest("cost"),
            settings_sha256: digest("{}"),
            inputs: Some(vec![]),
            ..FoundPolicy::default()
        },
    ]
}

fn lock() -> Lock {
    Lock::new(&definition(), &found(), "portcullis.toml").unwrap()
}

fn mismatches(change: impl FnOnce(&mut Lock, &mut Vec<FoundPolicy>)) -> Vec<String> {
    let (mut lock, mut found) = (lock(), found());
    change(&mut lock, &mut found);
    lock.verify(&definition(), &found, "portcullis.toml").iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_rendered_is_read_back() {
    let lock = lock();
    let text = lock.render();
    insta::assert_snapshot!("lock", text);
    assert_eq!(Lock::parse("portcullis.lock", text.as_bytes()).unwrap(), lock);
    assert_eq!(lock.verify(&definition(), &found(), "portcullis.toml"), []);
    let mut faulting = found();
    faulting[1].inputs = None;
    let lock = Lock::new(&definition(), &faulting, "portcullis.toml").unwrap();
    assert_eq!(Lock::parse("portcullis.lock", lock.render().as_bytes()).unwrap(), lock);
}

#[test]
fn every_difference_is_named_with_file_expected_and_found() {
    let other = Sha256::of(b"other");
    let shown = |mismatches: Vec<String>| mismatches.join("\n");
    let mut all = Vec::new();
    all.push(shown(mismatches(|_, found| found[0].module_sha256 = Some(other))));
    all.push(shown(mismatches(|_, found| found[0].module_sha256 = None)));
    all.push(shown(mismatches(|_, found| found[0].settings_sha256 = Some(other))));
    all.push(shown(mismatches(|_, found| found[1].settings_sha256 = Some(other))));
    all.push(shown(mismatches(|_, found| found[0].data = BTreeMap::from([("calendar".into(), Some(other))]))));
    all.push(shown(mismatches(|_, found| found[0].data.clear())));
    all.push(shown(mismatches(|_, found| found[0].inputs = Some(vec!["/context".into()]))));
    all.push(shown(mismatches(|lock, _| _ = lock.policies.remove(1))));
    all.push(shown(mismatches(|lock, _| {
        let surplus = LockedPolicy { name: "gone".into(), ..lock.policies[1].clone() };
        lock.policies.push(surplus);
    })));
    all.push(shown(mismatches(|lock, _| lock.set_sha256 = other)));
    all.push(shown(mismatches(|lock, _| _ = lock.policies[0].data.insert("more".into(), other))));
    all.push(shown(mismatches(|_, found| _ = found.pop())));
    assert!(all.iter().all(|shown| !shown.is_empty()), "{all:#?}");
    insta::assert_snapshot!("mismatches", all.join("\n\n"));
    // A policy that can no longer be configured faults by itself.
    assert_eq!(mismatches(|_, found| found[0].inputs = None), [""; 0]);
}

/// What a lock was made of is what the manifest names, or it pins another version than the manifest asks for.
#[test]
fn another_reference_than_the_locked_one_does_not_verify() {
    let verify = |module: &str, change: &dyn Fn(&mut Lock)| {
        let text = MANIFEST.replace(WINDOW, module);
        let definition = Manifest::parse("portcullis.toml", text.as_bytes(), time(NOW)).unwrap().definition;
        let mut lock = lock();
        change(&mut lock);
        lock.verify(&definition, &found(), "portcullis.toml").iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let what = "where the module of \"window\" comes from: changed, expected";
    let moved = WINDOW.replace("1.2", "1.3");
    assert_eq!(verify(&moved, &|_| ()), [format!("{moved}: {what} {WINDOW}, found {moved}")]);
    assert_eq!(verify("window.wasm", &|_| ()), [format!("window.wasm: {what} {WINDOW}, found a file")]);
    let file = |lock: &mut Lock| lock.policies[0].oci = None;
    assert_eq!(verify(WINDOW, &file), [format!("{WINDOW}: {what} a file, found {WINDOW}")]);
    // A manifest that names a digest is held to it.
    let (locked, other) = (Sha256::of(b"manifest"), Sha256::of(b"another"));
    for (digest, expected) in [(locked, vec![]), (other, vec![locked])] {
        let pinned = format!("{WINDOW}@sha256:{digest}");
        let lines = verify(&pinned, &|lock| lock.policies[0].oci.as_mut().unwrap().reference = pinned.clone());
        let expected: Vec<_> =
            expected.iter().map(|locked| format!("{pinned}: {what} {locked}, found {digest}")).collect();
        assert_eq!(lines, expected);
    }
}

#[test]
fn a_module_of_a_registry_is_locked_with_where_it_was_found() {
    let mut nowhere = found();
    nowhere[0].oci = None;
    let errors = Lock::new(&definition(), &nowhere, "portcullis.toml").unwrap_err();
    assert_eq!(errors[0].to_string(), format!("{WINDOW}: the module of \"window\": unreadable"));
    // It changes no decision, so it is not in the set's digest.
    let mut elsewhere = found();
    elsewhere[0].oci.as_mut().unwrap().manifest_sha256 = Sha256::of(b"another");
    assert_eq!(Lock::new(&definition(), &elsewhere, "portcullis.toml").unwrap().set_sha256, lock().set_sha256);
}

#[test]
fn a_lock_edited_by_hand_does_not_verify() {
    let other = Sha256::of(b"other");
    let edited = mismatches(|lock, found| {
        lock.policies[0].module_sha256 = other;
        found[0].module_sha256 = Some(other);
    });
    assert_eq!(edited.len(), 1);
    assert!(edited[0].starts_with("portcullis.toml: the set"), "{edited:?}");
}

#[test]
fn unreadable_files_cannot_be_locked() {
    let mut unreadable = found();
    unreadable[0].data.clear();
    unreadable[1].module_sha256 = None;
    let errors = Lock::new(&definition(), &unreadable, "portcullis.toml").unwrap_err();
    let shown: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "calendar.json: the document \"calendar\" of \"window\": unreadable",
            "policies/cost.wasm: the module of \"cost\": unreadable",
        ]
    );
}

/// Everything that can change a decision changes the digest; paths, comments and the order of a matcher's values do
/// not.
#[test]
fn the_digest_is_of_what_can_change_a_decision() {
    fn base() -> SetParts {
        let inner =
            Node { rule: Rule::AtLeast(1), members: vec![Member::Policy(1), Member::Policy(2)], ..Node::default() };
        let members = vec![Member::Policy(0), Member::Node(inner)];
        let mut parts = parts(&["a", "b", "c"], Node { members, ..Node::default() });
        parts.policies[0].when = when("/context/environment", "staging");
        parts.waivers = vec![waiver(0, "sample.test.deny", Outcome::Warn)];
        parts
    }
    fn inner(parts: &mut SetParts) -> &mut Node {
        let Member::Node(inner) = &mut parts.root.members[1] else { panic!("a node") };
        inner
    }
    let digest = |change: &dyn Fn(&mut SetParts)| {
        let mut parts = base();
        change(&mut parts);
        let definition = SetDefinition::new(parts).unwrap();
        let one = FoundPolicy {
            module_sha256: Some(Sha256::of(b"m")),
            oci: None,
            settings_sha256: Some(Sha256::of(b"s")),
            ..FoundPolicy::default()
        };
        let mut found = vec![one; 3];
        for (found, spec) in found.iter_mut().zip(definition.policies()) {
            found.data = spec.data.keys().map(|name| (name.clone(), Some(Sha256::of(name.as_bytes())))).collect();
        }
        Lock::new(&definition, &found, "portcullis.toml").unwrap().set_sha256
    };
    let unchanged = digest(&|_| ());
    let same: [&dyn Fn(&mut SetParts); 2] = [&|parts| parts.policies[0].module = "elsewhere.wasm".into(), &|parts| {
        parts.policies[0].settings = Settings::File("with-the-same-content.json".into());
    }];
    for change in same {
        assert_eq!(digest(change), unchanged);
    }
    let changes: &[&dyn Fn(&mut SetParts)] = &[
        &|parts| parts.name = "other".into(),
        &|parts| parts.absent = Absent::Skip,
        &|parts| parts.valid_for_seconds = 1,
        &|parts| parts.policies[0].name = "z".into(),
        &|parts| parts.policies[0].enforce = Outcome::Escalate,
        &|parts| parts.policies[0].when = When::default(),
        &|parts| parts.policies[0].when = when("/context/environment", "staging*"),
        &|parts| parts.policies[0].when.fields[0].any_of = vec![Pattern::Boolean(true)],
        &|parts| parts.policies[0].when.fields[0].any_of = vec![Pattern::Text("true".into())],
        &|parts| parts.policies[0].limits.fuel = 1,
        &|parts| parts.policies[0].limits.configure_time_ms = 1,
        &|parts| _ = parts.policies[0].data.insert("calendar".into(), "calendar.json".into()),
        &|parts| parts.policies.swap(1, 2),
        &|parts| parts.root.name = Some("named".into()),
        &|parts| parts.root.when = when("/action/name", "deploy"),
        &|parts| parts.root.members.reverse(),
        &|parts| inner(parts).rule = Rule::AtLeast(2),
        &|parts| inner(parts).rule = Rule::FirstOf,
        &|parts| inner(parts).rule = Rule::AllOf,
        &|parts| parts.masks.push(crate::Mask::new("/context/token").unwrap()),
        &|parts| parts.waivers.clear(),
        &|parts| parts.waivers[0].policy = 1,
        &|parts| parts.waivers[0].code = "fault.time".into(),
        &|parts| parts.waivers[0].when = when("/action/name", "deploy"),
        &|parts| parts.waivers[0].becomes = Outcome::Allow,
        &|parts| parts.waivers[0].reason = "another".into(),
        &|parts| parts.waivers[0].owner = "another".into(),
        &|parts| parts.waivers[0].until = time("2027-01-01T00:00:00Z"),
    ];
    let mut seen = std::collections::HashMap::from([(unchanged, usize::MAX)]);
    for (n, change) in changes.iter().enumerate() {
        assert_eq!(seen.insert(digest(*change), n), None, "change {n} gives a digest that was there before");
    }
}

#[test]
fn what_is_no_lock_is_refused_with_its_line() {
    let text = lock().render();
    let digest = Sha256::of(b"cost").to_string();
    for (from, to, says) in [
        ("portcullis-lock = 1", "portcullis-lock = 2", "a format that this version does not know"),
        ("portcullis-lock = 1", "", "no `portcullis-lock`"),
        (digest.as_str(), "abc", "not a sha256"),
        (digest.as_str(), &digest.to_uppercase(), "not a sha256"),
        ("module-sha256", "module", "no `module-sha256`"),
        ("name = \"cost\"", "name = \"window\"", "a second entry"),
        ("[set]", "[sets]", "did you mean `set`?"),
        ("[set]", "[set", "not TOML"),
        ("inputs = []", "inputs = [3]", "not a string"),
        ("manifest-sha256", "manifest", "no `manifest-sha256`"),
        (WINDOW, "window.wasm", "is no reference"),
    ] {
        assert!(text.contains(from), "{from}");
        let error = Lock::parse("portcullis.lock", text.replace(from, to).as_bytes()).expect_err(says).to_string();
        assert!(error.contains(says) && error.contains("portcullis.lock:"), "{error}");
    }
    assert!(Lock::parse("portcullis.lock", b"").is_err());
}
