use super::site::{STAGE0, STAGE0_SET, Site, built};

#[test]
fn an_admissible_module_is_described() {
    let site = Site::new();
    let module = built("stage0-constraints");
    let module = module.to_str().unwrap();
    let run = site.run(&["inspect", "--format", "json", module]);
    let json = run.json();
    assert_eq!(
        (run.code, json["admissible"].as_bool(), json["world"]["verdict"].as_str()),
        (0, Some(true), Some("matches"))
    );
    assert!(json.get("code").is_none());
    let run = site.run(&["inspect", module]);
    assert_eq!(run.code, 0);
    for words in
        ["✔ ADMISSIBLE", "What it can read of a request", "What it can call", "Codes of its findings", "sample.stage0."]
    {
        assert!(run.stdout.contains(words), "{words}: {}", run.stdout);
    }
}

#[test]
fn a_refused_module_has_a_code() {
    let site = Site::new();
    site.write("text.wasm", "(component)");
    site.write("empty.wasm", "");
    site.write("core.wasm", b"\0asm\x01\0\0\0");
    site.write("cut.wasm", &std::fs::read(built("stage0-constraints")).unwrap()[..1000]);
    for file in ["text.wasm", "empty.wasm", "core.wasm", "cut.wasm"] {
        let run = site.run(&["inspect", "--format", "json", file]);
        assert_eq!((run.code, run.json()["code"].as_str()), (3, Some("load.format")), "{file}: {}", run.stdout);
        assert_eq!(run.json()["admissible"], false);
        let run = site.run(&["inspect", file]);
        assert!(run.code == 3 && run.stdout.starts_with("✖ REFUSED  load.format: "), "{}", run.stdout);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let run = Site::new().run(&["inspect", "--format", "json", "nowhere.wasm"]);
    assert!(
        run.code == 1 && run.stdout.is_empty() && run.stderr.contains("cannot read nowhere.wasm"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_policy_that_reads_the_history_is_named_as_one() {
    let site = Site::new();
    let module = built("deploy-rate");
    let module = module.to_str().unwrap();
    let run = site.run(&["inspect", module]);
    for words in [
        "- history: reads the ledger's history: how often and when something was decided",
        "What it reads the ledger's history for, as it says\n    - Counts past decisions",
    ] {
        assert!(run.stdout.contains(words), "{words}: {}", run.stdout);
    }
    let json = site.run(&["inspect", "--format", "json", module]).json();
    assert!(json["history"]["summary"].as_str().unwrap().starts_with("Counts past decisions"), "{json}");
    let without = built("stage0-constraints");
    let without = without.to_str().unwrap();
    assert!(!site.run(&["inspect", without]).stdout.contains("ledger's history"));
    assert!(site.run(&["inspect", "--format", "json", without]).json()["history"].is_null());
}

/// Two modules that look alike and run something else are not called alike.
#[test]
fn a_diff_says_that_the_code_differs_and_who_can_tell_what_it_means() {
    let site = Site::locked(STAGE0_SET);
    site.write("check.json", STAGE0);
    let old = "stage0-constraints.wasm";
    let mut renamed = std::fs::read(site.path().join(old)).unwrap();
    // A custom section more: other bytes, the same code.
    renamed.extend([0, 3, 1, b'x', b'y']);
    site.write("renamed.wasm", renamed);
    site.add_module("environment-gate");
    let other = "environment-gate.wasm";

    let run = site.run(&["diff", old, "renamed.wasm"]);
    assert!(run.code == 0 && run.stdout.starts_with("✔ DIFFERS  "), "{}", run.stdout);
    assert!(run.stdout.contains("the code is the same"), "{}", run.stdout);
    assert_eq!(site.run(&["diff", "--format", "json", old, "renamed.wasm"]).json()["same_code"], true);
    let run = site.run(&["diff", old, other]);
    assert!(run.code == 0 && run.stdout.starts_with("~ DIFFERS  "), "{}", run.stdout);
    for words in
        ["what it decides may differ: use --ledger", "  Code\n", "functions differ  [what it decides may differ]"]
    {
        assert!(run.stdout.contains(words), "{words}: {}", run.stdout);
    }

    let decide = ["decide", "--policies", ".", "--ledger", "d.ledger", "check.json"];
    assert_eq!(site.run(&decide).code, 0);
    let run = site.run(&["diff", other, old, "--ledger", "d.ledger"]);
    assert!(run.code == 7 && run.stdout.starts_with("~ DIFFERS  "), "OLD never ran: {}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains("no decision in this ledger tells"), "{}", run.stderr);
    assert_eq!(site.run(&["diff", other, old, "--ledger", "d.ledger", "--allow-unknown"]).code, 0);
    let run = site.run(&["diff", old, "renamed.wasm", "--ledger", "d.ledger"]);
    assert!(run.code == 0 && run.stdout.contains("0 of 1 decision made again would change"), "{}", run.stdout);
}
