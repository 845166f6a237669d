//! Policy sets whose modules come from a registry: locked with it, decided without it.

use std::path::Path;

use super::super::site::{Run, STAGE0, Site};
use super::server::{Digests, Registry, Settings, padded, push};

/// A site whose set names a module in the registry, pushed from another site.
fn site(registry: &Registry) -> (Site, Site, Digests) {
    let (site, author) = (Site::new(), Site::new());
    author.add_module("stage0-constraints");
    let pushed = push(&author, "stage0-constraints.wasm", &registry.reference("policies/stage0:1.2"), &[]);
    let module = format!("oci://{}", registry.reference("policies/stage0:1.2"));
    site.write(
        "portcullis.toml",
        format!("portcullis = 1\nname = \"acme\"\n[[policy]]\nname = \"stage0\"\nmodule = \"{module}\"\n"),
    );
    site.write("check.json", STAGE0);
    (site, author, pushed)
}

fn lock(site: &Site, more: &[&str]) -> Run {
    site.run(&[&["lock", "--policies", "."], more].concat())
}

fn decide(site: &Site, more: &[&str]) -> Run {
    site.run(&[&["decide", "--policies", ".", "--ledger", "d.ledger", "--format", "json", "check.json"], more].concat())
}

fn store(site: &Site) -> std::path::PathBuf {
    site.path().join("home/.cache/portcullis/modules/sha256")
}

#[test]
fn a_set_is_locked_with_the_registry_and_decides_without_it() {
    let Some(mut registry) = Registry::start(&Settings::default()) else { return };
    let (site, _, pushed) = site(&registry);
    let run = lock(&site, &[]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("policies/stage0:1.2"), "{}", run.stdout);
    let text = site.read("portcullis.lock");
    for part in [&pushed.manifest, &pushed.module, &registry.reference("policies/stage0:1.2")] {
        assert!(text.contains(part.as_str()), "{part}: {text}");
    }
    registry.stop();

    let check = lock(&site, &["--check"]);
    assert_eq!(check.code, 0, "{}{}", check.stdout, check.stderr);
    let run = decide(&site, &[]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    let decision = run.json();
    assert_eq!(decision["outcome"], "allow");
    assert_eq!(decision["recorded"]["event"], 1);
    let text = run.stdout;
    assert!(text.contains(&pushed.module), "the decision names the module: {text}");
    // The record holds the module: it is replayed without registry and store.
    std::fs::remove_dir_all(store(&site)).unwrap();
    let replay = site.run(&["replay", "--all", "--ledger", "d.ledger"]);
    assert_eq!(replay.code, 0, "{}{}", replay.stdout, replay.stderr);
    // Nothing is decided anew without the module, and what to do is said in full.
    let run = decide(&site, &[]);
    assert!(run.code == 1 && run.stdout.is_empty(), "{}", run.stdout);
    let command = format!(
        "portcullis policy fetch --policies ./portcullis.toml --module-store {}",
        store(&site).parent().unwrap().display()
    );
    for part in [command.as_str(), &pushed.module, "policies/stage0:1.2"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    let check = lock(&site, &["--check"]);
    assert!(check.code == 1 && check.stderr.contains("portcullis policy fetch --policies ."), "{}", check.stderr);
    let fetch = site.run(&["policy", "fetch", "--policies", "."]);
    assert!(fetch.code == 1 && fetch.stderr.contains("cannot reach"), "{}", fetch.stderr);
}

#[test]
fn fetch_gets_what_is_locked_whatever_the_tag_names_now() {
    let Some(registry) = Registry::start(&Settings::default()) else { return };
    let (site, author, first) = site(&registry);
    assert_eq!(lock(&site, &[]).code, 0);
    let locked = site.read("portcullis.lock");
    padded(&author, "stage0-constraints.wasm");
    let second = push(&author, "stage0-constraints.wasm", &registry.reference("policies/stage0:1.2"), &[]);

    std::fs::remove_dir_all(store(&site)).unwrap();
    let fetch = site.run(&["policy", "fetch", "--policies", "."]);
    assert!(fetch.code == 0 && fetch.stdout.contains(&format!("sha256:{} fetched", first.module)), "{}", fetch.stderr);
    assert_eq!(decide(&site, &[]).code, 0);
    assert_eq!(lock(&site, &["--check"]).code, 0);
    let again = site.run(&["policy", "fetch", "--policies", "."]);
    assert!(again.stdout.contains("is there"), "{}", again.stdout);
    assert_eq!(site.read("portcullis.lock"), locked);

    // Locking again says from where to where the tag moved.
    let run = lock(&site, &[]);
    let moved = format!("moved, from manifest sha256:{} to sha256:{}", first.manifest, second.manifest);
    assert!(run.code == 0 && run.stdout.contains(&moved), "{}", run.stdout);
    assert!(site.read("portcullis.lock").contains(&second.module));
}

#[test]
fn a_changed_store_or_lock_or_manifest_decides_nothing() {
    let Some(registry) = Registry::start(&Settings::default()) else { return };
    let (site, _, pushed) = site(&registry);
    assert_eq!(lock(&site, &[]).code, 0);
    let entry = store(&site).join(&pushed.module);
    let module = std::fs::read(&entry).unwrap();
    let mut changed = module.clone();
    changed.extend([0, 3, 1, b'x', b'y']);
    std::fs::write(&entry, &changed).unwrap();
    let run = decide(&site, &[]);
    assert!(run.code == 1 && run.stderr.contains("the store's entry was changed"), "{}", run.stderr);
    assert_eq!(site.run(&["policy", "fetch", "--policies", "."]).code, 0);
    assert_eq!(std::fs::read(&entry).unwrap(), module);
    assert_eq!(decide(&site, &[]).code, 0);

    // The manifest asks for another version than the lock pins.
    let manifest = site.read("portcullis.toml");
    site.write("portcullis.toml", manifest.replace("stage0:1.2", "stage0:1.3"));
    let run = decide(&site, &[]);
    assert!(run.code == 1 && run.stderr.contains("where the module of \"stage0\" comes from"), "{}", run.stderr);
    let check = lock(&site, &["--check"]);
    assert_eq!(check.code, 1, "{}{}", check.stdout, check.stderr);
    let fetch = site.run(&["policy", "fetch", "--policies", "."]);
    assert!(fetch.code == 1 && fetch.stderr.contains("the lock does not pin"), "{}", fetch.stderr);
    site.write("portcullis.toml", &manifest);

    // A lock whose manifest and module do not belong together.
    let author = Site::new();
    author.add_module("rules");
    let other = push(&author, "rules.wasm", &registry.reference("policies/stage0:other"), &[]);
    site.write("portcullis.lock", site.read("portcullis.lock").replace(&pushed.manifest, &other.manifest));
    std::fs::remove_dir_all(store(&site)).unwrap();
    let fetch = site.run(&["policy", "fetch", "--policies", "."]);
    let says = format!("expected sha256:{}, found sha256:{}", pushed.module, other.module);
    assert!(fetch.code == 1 && fetch.stderr.contains(&says), "{}", fetch.stderr);
    assert!(!store(&site).exists(), "nothing was kept");
}

/// A set names its registries itself: whoever changes the set does not thereby choose who sees the password.
#[test]
fn a_set_does_not_choose_who_sees_the_password() {
    let Some(registry) = Registry::start(&Settings { password: true, ..Settings::default() }) else { return };
    let author = Site::new();
    author.add_module("stage0-constraints");
    let (user, password) = ("PORTCULLIS_REGISTRY_USERNAME", "PORTCULLIS_REGISTRY_PASSWORD");
    let secret = [(user, Path::new("user")), (password, Path::new("secret"))];
    let reference = registry.reference("stage0:1");
    push(&author, "stage0-constraints.wasm", &reference, &secret);
    let site = Site::new();
    site.write(
        "portcullis.toml",
        format!("portcullis = 1\nname = \"acme\"\n[[policy]]\nname = \"stage0\"\nmodule = \"oci://{reference}\"\n"),
    );
    let lock = |environment: &[(&str, &Path)]| site.run_with(&["lock", "--policies", "."], "", environment);
    let run = lock(&secret);
    assert!(run.code == 1 && run.stderr.contains("asked without credentials"), "{}", run.stderr);
    let with = |registry: &'static str| [secret[0], secret[1], ("PORTCULLIS_REGISTRY", Path::new(registry))];
    assert_eq!(lock(&with("registry.example.com")).code, 1);
    let address: &'static str = Box::leak(registry.address.clone().into_boxed_str());
    let run = lock(&with(address));
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[test]
fn an_archive_carries_a_set_to_a_machine_without_a_network() {
    let Some(mut registry) = Registry::start(&Settings::default()) else { return };
    let (site, _, pushed) = site(&registry);
    assert_eq!(lock(&site, &[]).code, 0);
    registry.stop();
    let save = site.run(&["policy", "save", "--policies", ".", "--out", "modules.tar"]);
    assert!(save.code == 0 && save.stdout.contains(&pushed.module), "{}{}", save.stdout, save.stderr);

    let far = Site::new();
    for name in ["portcullis.toml", "portcullis.lock", "check.json", "modules.tar"] {
        far.write(name, std::fs::read(site.path().join(name)).unwrap());
    }
    assert_eq!(decide(&far, &[]).code, 1);
    let at = ["--module-store", "modules"];
    let load = far.run(&[&["policy", "load", "modules.tar"], &at[..]].concat());
    assert!(load.code == 0 && load.stdout.contains(&pushed.module), "{}{}", load.stdout, load.stderr);
    assert_eq!(decide(&far, &at).code, 0);
    // What was loaded can be saved again, byte for byte.
    let save = far.run(&[&["policy", "save", "--policies", ".", "--out", "again.tar"], &at[..]].concat());
    assert_eq!(save.code, 0, "{}", save.stderr);
    let read = |name: &str| std::fs::read(far.path().join(name)).unwrap();
    assert!(read("again.tar") == read("modules.tar"));

    // A changed archive puts nothing into the store.
    let mut bytes = read("modules.tar");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    far.write("changed.tar", &bytes);
    let load = far.run(&["policy", "load", "changed.tar", "--module-store", "other"]);
    assert!(load.code == 1 && load.stderr.contains("nothing was loaded"), "{}", load.stderr);
    assert!(!far.path().join("other").exists());
}

#[test]
fn a_manifest_says_what_is_wrong_with_a_reference() {
    let site = Site::new();
    site.write("check.json", STAGE0);
    for (module, says) in [
        ("oci://registry.example.com/rules", "names neither a tag nor a digest"),
        ("oci://rules:1", "names no registry and repository"),
        ("https://registry.example.com/rules.wasm", "a module cannot come from"),
        ("OCI://registry.example.com/rules:1", "a module cannot come from"),
    ] {
        site.write(
            "portcullis.toml",
            format!("portcullis = 1\nname = \"acme\"\n[[policy]]\nname = \"rules\"\nmodule = \"{module}\"\n"),
        );
        let run = lock(&site, &[]);
        let words = run.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(run.code == 1 && words.contains(says) && words.contains("portcullis.toml:5:10"), "{words}");
    }
}
