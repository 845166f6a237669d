use super::site::{STAGE0, STAGE0_SET, Site, built};

#[test]
fn a_lock_is_written_once_and_matches() {
    let site = Site::locked(STAGE0_SET);
    let lock = site.read("portcullis.lock");
    assert!(lock.contains("module-sha256"), "{lock}");
    let again = site.run(&["lock", "--policies", "portcullis.toml"]);
    assert!(again.code == 0 && again.stdout.contains("portcullis.lock is up to date"), "{}", again.stdout);
    assert_eq!(site.read("portcullis.lock"), lock);
    let check = site.run(&["lock", "--policies", ".", "--check"]);
    assert!(check.code == 0 && check.stdout.contains("the lock matches"), "{}", check.stdout);
}

#[test]
fn what_does_not_match_is_named_with_file_expected_and_found() {
    let site = Site::locked(STAGE0_SET);
    site.write("check.json", STAGE0);
    let mut module = std::fs::read(site.path().join("stage0-constraints.wasm")).unwrap();
    // A custom section more: the same policy, other bytes.
    module.extend([0, 3, 1, b'x', b'y']);
    site.write("stage0-constraints.wasm", &module);
    let check = site.run(&["lock", "--policies", ".", "--check"]);
    assert_eq!(check.code, 1);
    let named = |text: &str| {
        text.contains("stage0-constraints.wasm: the module of \"stage0\"")
            && text.contains("expected")
            && text.contains("found")
    };
    assert!(named(&check.stdout), "{}", check.stdout);
    let decide = site.run(&["decide", "--policies", ".", "check.json"]);
    assert!(decide.code == 1 && decide.stdout.is_empty() && named(&decide.stderr), "{}", decide.stderr);

    let lock = site.run(&["lock", "--policies", "."]);
    assert!(lock.code == 0 && lock.stdout.contains("~ stage0: module "), "{}", lock.stdout);
    assert_eq!(site.run(&["decide", "--policies", ".", "check.json"]).code, 0);
}

#[test]
fn a_changed_level_does_not_match() {
    let site = Site::locked(STAGE0_SET);
    site.write("portcullis.toml", format!("{STAGE0_SET}enforce = \"escalate\"\n"));
    let check = site.run(&["lock", "--policies", ".", "--check"]);
    assert!(check.code == 1 && check.stdout.contains("the set (its levels"), "{}", check.stdout);
    let lock = site.run(&["lock", "--policies", "."]);
    assert!(lock.stdout.contains("levels, tree, matchers, limits or waivers"), "{}", lock.stdout);
}

#[test]
fn without_a_lock_nothing_is_decided() {
    let site = Site::locked(STAGE0_SET);
    site.write("check.json", STAGE0);
    std::fs::remove_file(site.path().join("portcullis.lock")).unwrap();
    for arguments in [vec!["decide", "--policies", ".", "check.json"], vec!["lock", "--policies", ".", "--check"]] {
        let run = site.run(&arguments);
        assert!(run.code == 1 && run.stderr.contains("portcullis lock --policies"), "{}", run.stderr);
    }
}

#[test]
fn a_wrong_manifest_shows_its_line_and_how_to_mend_it() {
    let site = Site::locked(STAGE0_SET);
    site.write("portcullis.toml", STAGE0_SET.replace("module =", "modul ="));
    for command in [vec!["decide", "--policies", "."], vec!["lock", "--policies", "."]] {
        let run = site.run_with(&command, STAGE0, &[]);
        assert_eq!(run.code, 1);
        assert!(
            run.stderr.contains("modul") && run.stderr.contains("portcullis.toml:5:1") && run.stderr.contains("help:"),
            "{}",
            run.stderr
        );
        assert!(!run.stderr.contains('\u{1b}'), "colour without a terminal");
    }
}

/// What every decision would fail on is not locked, unless that is asked for.
#[test]
fn a_module_that_can_only_fail_is_not_locked() {
    let site = Site::locked(STAGE0_SET);
    site.write("check.json", STAGE0);
    let lock = site.read("portcullis.lock");
    let whole = std::fs::read(built("stage0-constraints")).unwrap();
    let unknown_setting = format!("{STAGE0_SET}settings = {{ nonsense = 1 }}\n");
    for (what, module, manifest, code) in [
        ("truncated", &whole[..whole.len() / 2], STAGE0_SET, "load."),
        ("no module", b"#!/bin/sh\n", STAGE0_SET, "load.format"),
        ("wrong settings", &whole, &unknown_setting, "load.settings"),
    ] {
        site.write("stage0-constraints.wasm", module);
        site.write("portcullis.toml", manifest);
        let run = site.run(&["lock", "--policies", "."]);
        assert_eq!((run.code, run.stdout.as_str()), (3, ""), "{what}: {}{}", run.stdout, run.stderr);
        let says = |text: &str| assert!(run.stderr.contains(text), "{what}: {}", run.stderr);
        says(code);
        says("--allow-failing");
        assert_eq!(site.read("portcullis.lock"), lock, "{what}: nothing is written");

        let run = site.run(&["lock", "--policies", ".", "--allow-failing"]);
        assert_eq!(run.code, 0, "{what}: {}", run.stderr);
        assert_ne!(site.read("portcullis.lock"), lock, "{what}");
        assert!(run.stderr.contains("it will fail in every decision"), "{what}: {}", run.stderr);
        assert_eq!(site.run(&["decide", "--policies", ".", "check.json"]).code, 23, "{what}");
        site.write("portcullis.lock", &lock);
    }
}

/// What a module does when it is evaluated is not tried: such a set locks, and its policy faults.
#[test]
fn a_module_that_fails_only_when_it_is_evaluated_is_locked() {
    let site = Site::new();
    site.add_module("runaway");
    site.write("portcullis.toml", STAGE0_SET.replace("stage0-constraints.wasm", "runaway.wasm"));
    let run = site.run(&["lock", "--policies", "."]);
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[test]
fn a_set_without_policies_is_locked_with_a_warning() {
    let site = Site::new();
    site.write("portcullis.toml", "portcullis = 1\nname = \"none\"\n");
    let run = site.run(&["lock", "--policies", "."]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("the set has no policies: every request is denied"), "{}", run.stderr);
}
