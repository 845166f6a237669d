//! Keys, signatures, reviews, and sets that ask for them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::site::{Run, STAGE0, STAGE0_SET, Site};

const MODULE: &str = "stage0-constraints.wasm";

const TRUST: &str = "
[keys.release]
public-key-file = \"keys/release.pub\"
[keys.alice]
public-key-file = \"keys/alice.pub\"
[keys.bob]
public-key-file = \"keys/bob.pub\"
[[trust]]
modules = [\"*.wasm\"]
signed-by = [\"release\"]
reviewed-by = { any = 2, of = [\"alice\", \"bob\", \"release\"] }
";

/// A folder with a module, keys of several people, and a set that asks for evidence; nothing is signed yet.
fn site() -> Site {
    let site = Site::new();
    site.add_module("stage0-constraints");
    site.write("check.json", STAGE0);
    site.write("portcullis.toml", format!("{STAGE0_SET}{TRUST}"));
    std::fs::create_dir(site.path().join("keys")).unwrap();
    for name in ["release", "alice", "bob", "mallory"] {
        assert_eq!(site.run(&["policy", "keygen", "--out", &format!("keys/{name}")]).code, 0);
    }
    site
}

fn sign(site: &Site, by: &str) -> Run {
    site.run(&["policy", "sign", MODULE, "--key", &format!("keys/{by}")])
}

fn review(site: &Site, by: &str) -> Run {
    review_noting(site, by, "SEC-7")
}

fn review_noting(site: &Site, by: &str, note: &str) -> Run {
    let key = format!("keys/{by}");
    site.run(&["review", "approve", MODULE, "--key", &key, "--reviewer", by, "--note", note, "--ledger", "d.ledger"])
}

fn lock(site: &Site) -> Run {
    site.run(&["lock", "--policies", "."])
}

fn decide(site: &Site) -> Run {
    site.run(&["decide", "--policies", ".", "--ledger", "d.ledger", "check.json"])
}

/// A set that was signed, reviewed and locked.
fn trusted() -> Site {
    let site = site();
    for run in [sign(&site, "release"), review(&site, "alice"), review(&site, "bob"), lock(&site)] {
        assert_eq!(run.code, 0, "{}", run.stderr);
    }
    site
}

/// The files of evidence, with what each says it is.
fn evidence(site: &Site) -> Vec<PathBuf> {
    let files = std::fs::read_dir(site.path()).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = files.filter(|path| path.to_string_lossy().ends_with(".sigstore.json")).collect();
    found.sort();
    found
}

fn refused(run: &Run, says: &[&str]) {
    assert!(run.code == 1 && run.stdout.is_empty(), "{}: {}", run.code, run.stdout);
    for says in ["load.trust", "stage0-constraints.wasm (policy \"stage0\", sha256 "].iter().chain(says) {
        assert!(run.stderr.contains(says), "{says}: {}", run.stderr);
    }
}

#[test]
fn a_private_key_is_its_owners_alone() {
    let site = Site::new();
    site.add_module("stage0-constraints");
    let made = site.run(&["policy", "keygen", "--out", "release"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let mode = |name: &str| std::fs::metadata(site.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("release"), 0o600);
    assert!(site.read("release").starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert!(site.read("release.pub").starts_with("-----BEGIN PUBLIC KEY-----\n"));
    let before = site.read("release");
    for taken in ["release", "release.pub"] {
        std::fs::rename(site.path().join(taken), site.path().join("aside")).unwrap();
        let again = site.run(&["policy", "keygen", "--out", "release"]);
        assert!(again.code == 1 && again.stderr.contains("is there already; nothing was written"), "{}", again.stderr);
        std::fs::rename(site.path().join("aside"), site.path().join(taken)).unwrap();
    }
    assert_eq!(site.read("release"), before);
    for (mode, code) in [(0o640, 1), (0o604, 1), (0o620, 1), (0o400, 0)] {
        std::fs::set_permissions(site.path().join("release"), std::fs::Permissions::from_mode(mode)).unwrap();
        let signed = sign_with(&site, "release");
        assert_eq!(signed.code, code, "{mode:o}: {}", signed.stderr);
        assert!(code == 0 || signed.stderr.contains("chmod 600"), "{}", signed.stderr);
    }
    assert_eq!(sign_with(&site, "release.pub").code, 1, "not a private key");
}

fn sign_with(site: &Site, key: &str) -> Run {
    site.run(&["policy", "sign", MODULE, "--key", key])
}

#[test]
fn what_is_wrong_with_a_signature_is_said() {
    let site = site();
    assert_eq!(sign(&site, "release").code, 0);
    assert_eq!(review(&site, "alice").code, 0);
    let verify = |arguments: &[&str]| site.run(&[&["policy", "verify", MODULE], arguments].concat());
    let good = verify(&["--key", "keys/mallory.pub", "--key", "keys/release.pub"]);
    assert!(good.code == 0 && good.stdout.contains("SIGNED"), "{}", good.stdout);
    assert!(good.stdout.contains("a review, not counted here"), "the review of alice: {}", good.stdout);
    let wrong = |arguments: &[&str], says: &str| {
        let run = verify(arguments);
        assert!(run.code == 4 && run.stdout.contains("NOT SIGNED") && run.stdout.contains(says), "{}", run.stdout);
    };
    wrong(&["--key", "keys/mallory.pub"], "wrong key: it is signed by none of the keys");
    wrong(&["--key", "keys/alice.pub"], "a review, not counted here");
    site.write("empty.json", "{}");
    wrong(&["--key", "keys/release.pub", "--bundle", "empty.json"], "malformed");
    wrong(&["--key", "keys/release.pub", "--bundle", "gone.json"], "No such file");
    let json = verify(&["--key", "keys/release.pub", "--format", "json"]);
    assert_eq!(json.json()["valid"], true);
    assert_eq!(json.json()["bundles"].as_array().unwrap().len(), 2);

    // Of the other bytes that are there now.
    site.write(MODULE, "other");
    let other = verify(&["--key", "keys/release.pub"]);
    assert!(other.code == 4 && other.stdout.contains("the module is sha256:"), "{}", other.stdout);
    assert_eq!(verify(&[]).code, 2, "no key, no answer");
}

#[test]
fn a_set_is_locked_and_loaded_with_its_evidence_and_not_without() {
    let site = site();
    let signature = "needs a signature by release, found none";
    refused(&lock(&site), &[signature, "needs reviews by 2 of alice, bob, release, found none"]);
    assert!(!site.path().join("portcullis.lock").exists());
    assert_eq!(sign(&site, "release").code, 0);
    assert_eq!(review(&site, "alice").code, 0);
    // The same reviewer twice, the author, and a stranger.
    for by in ["alice", "release", "mallory"] {
        let again = review_noting(&site, by, "again");
        assert_eq!(again.code, 0);
        assert_eq!(again.stderr.contains("does not count as its reviewer"), by == "release", "{}", again.stderr);
    }
    let lacking = lock(&site);
    let reviews =
        "needs reviews by 2 of alice, bob, release, found alice; that of release does not count: the key signed";
    refused(&lacking, &[reviews, "does not count: wrong key"]);
    assert!(!lacking.stderr.contains("needs a signature"), "{}", lacking.stderr);
    assert_eq!(review(&site, "bob").code, 0);
    let locked = lock(&site);
    assert!(locked.code == 0 && locked.stdout.contains("+ the key alice: "), "{}", locked.stderr);
    let decided = decide(&site);
    assert_eq!(decided.code, 0, "{}", decided.stderr);
    assert_eq!(site.run(&["lock", "--policies", ".", "--check"]).code, 0);

    // Without any one file of evidence that counts, nothing is loaded.
    for file in evidence(&site) {
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        let run = decide(&site);
        let (by_release, by_bob) = (text.contains(&id(&site, "release")), text.contains(&id(&site, "bob")));
        let is_review = payload(&text).contains("policy-review");
        let needed = (by_release && !is_review) || by_bob;
        if needed {
            refused(&run, &["needs "]);
        } else {
            assert_eq!(run.code, 0, "{}: {}", file.display(), run.stderr);
        }
        // One changed byte is as good as none.
        let mut changed = text.clone().into_bytes();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        std::fs::write(&file, changed).unwrap();
        assert_eq!(decide(&site).code, run.code, "{}", file.display());
        std::fs::write(&file, text).unwrap();
    }
    assert_eq!(decide(&site).code, 0);
}

/// The id of a key, as its public half's file gives it.
fn id(site: &Site, name: &str) -> String {
    let key = portcullis_gate::PublicKey::parse(&site.read(&format!("keys/{name}.pub"))).unwrap();
    key.id().to_string()
}

fn payload(bundle: &str) -> String {
    let bundle: serde_json::Value = serde_json::from_str(bundle).unwrap();
    let payload = portcullis_attest::base64::decode(bundle["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
    String::from_utf8(payload).unwrap()
}

#[test]
fn evidence_is_of_the_bytes_that_it_names() {
    let site = trusted();
    let mut module = std::fs::read(site.path().join(MODULE)).unwrap();
    // A custom section more: the same policy, other bytes.
    module.extend([0, 3, 1, b'x', b'y']);
    site.write(MODULE, &module);
    let run = decide(&site);
    assert!(run.code == 1 && run.stderr.contains("changed, expected"), "{}", run.stderr);
    refused(&lock(&site), &["reviews sha256:", "signs sha256:", ", the module is sha256:"]);
    let listed = site.run(&["review", "list", MODULE]);
    assert!(listed.code == 0 && listed.stdout.contains("reviews sha256:"), "{}", listed.stdout);
}

#[test]
fn other_keys_under_the_same_names_are_not_those_that_were_locked() {
    let site = trusted();
    std::fs::copy(site.path().join("keys/mallory.pub"), site.path().join("keys/bob.pub")).unwrap();
    let run = decide(&site);
    let says = "keys/bob.pub: the key \"bob\": changed, expected ";
    assert!(run.code == 1 && run.stderr.contains(says), "{}", run.stderr);
    // Locked anew, the evidence is missing.
    refused(&lock(&site), &["needs reviews by 2"]);
    std::fs::copy(site.path().join("keys/alice.pub"), site.path().join("keys/bob.pub")).unwrap();
    let twice = lock(&site);
    assert!(twice.code == 1 && twice.stderr.contains("the same key as \"alice\""), "{}", twice.stderr);
    site.write("keys/bob.pub", "no key");
    let none = decide(&site);
    assert!(none.code == 1 && none.stderr.contains("keys/bob.pub: not the PEM"), "{}", none.stderr);
    std::fs::remove_file(site.path().join("keys/bob.pub")).unwrap();
    assert!(decide(&site).code == 1 && lock(&site).code == 1);
}

/// Whoever asks for less has to change the manifest, which the lock pins.
#[test]
fn weaker_rules_do_not_match_the_lock() {
    let site = trusted();
    let manifest = site.read("portcullis.toml");
    let (before, _) = manifest.split_once("[keys.release]").unwrap();
    for weaker in [manifest.replace("any = 2", "any = 1"), before.to_owned()] {
        site.write("portcullis.toml", weaker);
        let run = decide(&site);
        assert!(run.code == 1 && run.stderr.contains("portcullis.toml: the "), "{}", run.stderr);
    }
}

#[test]
fn no_way_of_writing_a_module_evades_a_rule() {
    let site = site();
    std::fs::create_dir_all(site.path().join("sub/dir")).unwrap();
    let link = |to: &str, at: &str| std::os::unix::fs::symlink(to, site.path().join(at)).unwrap();
    std::fs::create_dir(site.path().join("policies")).unwrap();
    std::fs::rename(site.path().join(MODULE), site.path().join("policies").join(MODULE)).unwrap();
    link("policies", "elsewhere");
    link(&format!("policies/{MODULE}"), "other.bin");
    let absolute = site.path().join("policies").join(MODULE);
    let accept = "trust-default = \"accept\"\n";
    for module in [
        "policies/stage0-constraints.wasm",
        "./sub/../policies/stage0-constraints.wasm",
        "policies//./stage0-constraints.wasm",
        "sub/dir/../../policies/stage0-constraints.wasm",
        "elsewhere/stage0-constraints.wasm",
        "other.bin",
        &absolute.to_string_lossy(),
    ] {
        let set = STAGE0_SET.replace(MODULE, module).replace("[[policy]]", &format!("{accept}[[policy]]"));
        site.write("portcullis.toml", format!("{set}{}", TRUST.replace("*.wasm", "policies/*.wasm")));
        let run = lock(&site);
        assert!(run.code == 1 && run.stderr.contains("needs a signature by release"), "{module}: {}", run.stderr);
    }
    // What no rule is about is loaded where the set says so, and refused where it does not.
    std::fs::copy(&absolute, site.path().join("free.wasm")).unwrap();
    let set = STAGE0_SET.replace(MODULE, "free.wasm");
    let trust = TRUST.replace("*.wasm", "policies/*.wasm");
    site.write("portcullis.toml", format!("{set}{trust}"));
    let run = lock(&site);
    assert!(run.code == 1 && run.stderr.contains("no [[trust]] is about it"), "{}", run.stderr);
    site.write("portcullis.toml", format!("{}{trust}", set.replace("[[policy]]", &format!("{accept}[[policy]]"))));
    assert_eq!(lock(&site).code, 0);
}

#[test]
fn reviews_are_in_the_ledger_and_the_audit_says_whose_they_are() {
    let site = trusted();
    assert_eq!(decide(&site).code, 0);
    let listed = site.run(&["review", "list", "--ledger", "d.ledger", "--format", "json"]);
    let listed = listed.json();
    let reviewers: Vec<_> = listed.as_array().unwrap().iter().map(|row| row["review"]["reviewer"].clone()).collect();
    assert_eq!(reviewers, ["bob", "alice"]);
    assert_eq!(listed[1]["index"], 0);
    assert_eq!(listed[1]["review"]["note"], "SEC-7");
    assert_eq!(listed[1]["review"]["inspection"]["admissible"], true);
    assert_eq!(listed[1]["key"], id(&site, "alice"));
    let show = site.run(&["review", "show", "0", "--ledger", "d.ledger", "--key", "keys/alice.pub"]);
    assert!(show.code == 0 && show.stdout.contains("✔ alice") && show.stdout.contains("SEC-7"), "{}", show.stdout);
    let stranger = site.run(&["review", "show", "0", "--ledger", "d.ledger", "--key", "keys/bob.pub"]);
    assert!(stranger.code == 4 && stranger.stdout.contains("signed by none of the keys"), "{}", stranger.stdout);
    assert_eq!(site.run(&["review", "show", "2", "--ledger", "d.ledger"]).code, 1, "an activation");

    assert_eq!(site.run(&["ledger", "verify", "--ledger", "d.ledger"]).code, 0);
    let audit = |format: &str| site.run(&["audit", "3", "--ledger", "d.ledger", "--verify", "--format", format]);
    let shown = audit("human");
    assert_eq!(shown.code, 0, "{}", shown.stdout);
    for says in [
        "signed by release (key ",
        "reviewed by alice (key ",
        "reviewed by bob (key ",
        "✔ the module of stage0 has the signatures and reviews that the set asks for",
    ] {
        assert!(shown.stdout.contains(says), "{says}: {}", shown.stdout);
    }
    let json = audit("json").json();
    let kinds: Vec<_> = json["evidence"]["stage0"].as_array().unwrap().iter().map(|one| one["kind"].clone()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "review").count(), 2, "{kinds:?}");

    // A replay asks for nothing: the ledger has the bytes, and what they were loaded with.
    for file in evidence(&site) {
        std::fs::remove_file(file).unwrap();
    }
    std::fs::remove_dir_all(site.path().join("keys")).unwrap();
    let replay = site.run(&["replay", "--all", "--ledger", "d.ledger"]);
    assert!(replay.code == 0 && replay.stdout.contains("1 of 1 identical"), "{}{}", replay.stdout, replay.stderr);
    assert_eq!(audit("human").code, 0);
}

#[test]
fn a_review_beside_a_module_is_a_claim_until_a_key_is_named() {
    let site = site();
    assert_eq!(sign(&site, "release").code, 0);
    assert_eq!(review(&site, "mallory").code, 0);
    let list = |more: &[&str]| site.run(&[&["review", "list", MODULE], more].concat());
    let claimed = list(&[]);
    assert!(claimed.code == 0 && claimed.stdout.contains("1 review; claims, until --key says"), "{}", claimed.stdout);
    assert_eq!(list(&["--key", "keys/mallory.pub"]).code, 0);
    assert_eq!(list(&["--key", "keys/alice.pub"]).code, 4);
    assert_eq!(list(&["--key", "keys/mallory.pub", "--key", "keys/alice.pub"]).code, 4);
    // The author's signature is no review.
    assert_eq!(list(&["--key", "keys/release.pub"]).code, 4);
}

#[test]
fn what_no_set_could_load_is_not_approved() {
    let site = site();
    site.write("not.wasm", "not a module");
    let run = site.run(&["review", "approve", "not.wasm", "--key", "keys/alice", "--reviewer", "a", "--no-ledger"]);
    assert!(run.code == 3 && run.stderr.contains("nothing was signed"), "{}", run.stderr);
    assert!(evidence(&site).is_empty());
    let nobody = site.run(&["review", "approve", MODULE, "--key", "keys/alice", "--reviewer", " ", "--no-ledger"]);
    assert_eq!(nobody.code, 2);
    let alone = site.run(&["review", "approve", MODULE, "--key", "keys/alice", "--reviewer", "a", "--no-ledger"]);
    assert!(alone.code == 0 && !site.path().join("home").exists(), "{}", alone.stderr);
    assert_eq!(evidence(&site).len(), 1);
}

/// A signature says that someone answers for a module: not for what no set could load.
#[test]
fn what_no_set_could_load_is_not_signed() {
    let site = site();
    site.write("request.wasm", STAGE0);
    site.write("core.wasm", b"\0asm\x01\0\0\0");
    for file in ["request.wasm", "core.wasm"] {
        let run = site.run(&["policy", "sign", file, "--key", "keys/release"]);
        assert_eq!((run.code, run.stdout.as_str()), (3, ""), "{}", run.stderr);
        assert!(run.stderr.contains("nothing was signed: no policy set could load"), "{}", run.stderr);
    }
    let evidence =
        |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().path().to_string_lossy().contains("sigstore");
    assert!(!std::fs::read_dir(site.path()).unwrap().any(evidence));
}
