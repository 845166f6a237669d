use super::site::{STAGE0, Site};

/// A policy's folder with one case.
fn site(expect: &str) -> Site {
    let site = Site::new();
    let request = format!(
        r#"{{"subject":{{"type":"user","id":"run"}},"action":{{"name":"execute"}},
            "resource":{{"type":"stage0-check","id":"run"}},"context":{{"environment":"production","stage0":{STAGE0}}}}}"#
    );
    let case = format!(
        r#"[{{"name":"the printed check","request":{request},"now":"2026-03-14T10:00:00Z","expect":{expect}}}]"#
    );
    site.write("stage0-constraints/cases/printed.json", case);
    site.write("notes/README.md", "no cases here");
    site.write(
        "target/policies/stage0-constraints.wasm",
        std::fs::read(super::site::built("stage0-constraints")).unwrap(),
    );
    site
}

#[test]
fn cases_that_hold_pass() {
    let site = site(r#"{"outcome":"allow","codes":["sample.stage0.constraints-hold"]}"#);
    let folder = site.run(&["policy", "test"]);
    assert!(
        folder.code == 0 && folder.stdout.ends_with("\n1 passed, 0 failed\n"),
        "{}{}",
        folder.stdout,
        folder.stderr
    );
    let run = site.run(&["policy", "test", "stage0-constraints", "notes"]);
    let got = run.stdout.lines().find(|line| line.contains("+ codes")).map(str::to_owned);
    assert_eq!((run.code, got), (0, None), "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.starts_with("✔ stage0-constraints: 1 of 1 case passes\n"), "{}", run.stdout);
    assert!(run.stdout.ends_with("\n1 passed, 0 failed\n"), "{}", run.stdout);
    assert!(run.stdout.contains("note: no case reaches sample.stage0."), "{}", run.stdout);
}

#[test]
fn a_case_that_does_not_hold_shows_the_difference() {
    let site = site(r#"{"outcome":"deny","codes":["sample.stage0.no-such-code"]}"#);
    let run = site.run(&["policy", "test", "stage0-constraints"]);
    assert_eq!(run.code, 1);
    for line in [
        "✖ the printed check",
        "- outcome: deny",
        "+ outcome: allow",
        "- codes: sample.stage0.no-such-code",
        "0 passed, 1 failed",
    ] {
        assert!(run.stdout.contains(line), "{line}: {}", run.stdout);
    }
}

#[test]
fn nothing_to_run_is_an_error() {
    let site = site(r#"{"outcome":"abstain","code":[]}"#);
    for (arguments, says) in [
        (vec!["policy", "test", "stage0-constraints"], "unknown field `code`"),
        (vec!["policy", "test", "notes"], "there is no `cases` folder in notes nor in a folder there"),
        (vec!["policy", "test", "stage0-constraints", "--module", "none.wasm"], "cannot read none.wasm"),
    ] {
        let run = site.run(&arguments);
        assert!(run.code == 1 && run.stderr.contains(says), "{}", run.stderr);
    }
    std::fs::remove_dir_all(site.path().join("target")).unwrap();
    let run = site.run(&["policy", "test", "stage0-constraints"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
}

#[test]
fn a_case_says_what_the_ledger_holds() {
    let site = Site::new();
    site.write("target/policies/deploy-rate.wasm", std::fs::read(super::site::built("deploy-rate")).unwrap());
    let case = |name: &str, past: &str, expect: &str| {
        format!(
            r#"{{"name":"{name}","request":{{"subject":{{"type":"user","id":"a"}},"action":{{"name":"deploy"}},
                "resource":{{"type":"service","id":"b"}}}},"settings":{{"limits":[{{"at_most":1,"per_minutes":60}}]}},
                {past} "expect":{expect}}}"#
        )
    };
    let one =
        r#""past":[{"action":"deploy","resource":{"type":"service","id":"b"},"outcome":"allow","minutes_ago":59}],"#;
    let used_up = r#"{"outcome":"defer","codes":["sample.deploy-rate.limit-reached"],
        "requirements":[{"kind":"wait-until","time":"2026-03-14T09:31:00.000Z"}]}"#;
    let within = r#"{"outcome":"allow","codes":["sample.deploy-rate.within-limits"]}"#;
    let cases = [
        case("used up", one, used_up),
        case("out of the window", &one.replace("59", "60"), within),
        case("nothing was decided", r#""past":[],"#, within),
        case("there is no ledger", "", r#"{"outcome":"fault.history"}"#),
    ];
    site.write("deploy-rate/cases/a.json", format!("[{}]", cases.join(",")));
    let run = site.run(&["policy", "test", "deploy-rate"]);
    assert!(run.code == 0 && run.stdout.ends_with("\n4 passed, 0 failed\n"), "{}{}", run.stdout, run.stderr);
}

/// Whoever decides without a ledger is told that, and is not told that nothing was decided. With one, what was decided
/// counts.
#[test]
fn a_decision_that_counts_others_needs_a_ledger() {
    let site = Site::new();
    site.add_module("deploy-rate");
    let settings = "settings = { limits = [{ at_most = 1, per_minutes = 60 }] }";
    let policy = format!("[[policy]]\nname = \"rate\"\nmodule = \"deploy-rate.wasm\"\n{settings}\n");
    site.write("portcullis.toml", format!("portcullis = 1\nname = \"acme\"\n{policy}"));
    site.write(
        "request.json",
        r#"{"subject":{"type":"user","id":"a"},"action":{"name":"deploy"},"resource":{"type":"service","id":"b"}}"#,
    );
    assert_eq!(site.run(&["lock", "--policies", "."]).code, 0);
    let run = site.run(&["decide", "--policies", ".", "--format", "json", "--dry-run", "request.json"]);
    assert_eq!(run.code, 23, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("fault.history"), "{}", run.stdout);
    for (code, finding) in [(0, "sample.deploy-rate.within-limits"), (20, "sample.deploy-rate.limit-reached")] {
        let run = site.run(&["decide", "--policies", ".", "--format", "json", "request.json"]);
        assert_eq!((run.code, run.json()["findings"][0]["code"].as_str()), (code, Some(finding)), "{}", run.stdout);
    }
}

#[test]
fn a_new_policy_is_refused_where_it_could_harm_or_not_work() {
    let site = Site::new();
    site.write("full/file", "mine");
    for (arguments, code, says) in [
        (vec!["policy", "new", "a", "--lang", "c", "--out", "full"], 1, "full is there and not empty"),
        (vec!["policy", "new", "full", "--lang", "c"], 1, "full is there and not empty"),
        (vec!["policy", "new", "../a", "--lang", "c"], 2, "cannot be a policy's name"),
        (vec!["policy", "new", "A", "--lang", "c"], 2, "begins with a letter"),
        (vec!["policy", "new", "a", "--lang", "c", "--sdk", "."], 2, "--sdk is for Rust"),
        (vec!["policy", "new", "a", "--lang", "cobol"], 2, "cobol"),
        (vec!["policy", "new", "a"], 2, "--lang"),
    ] {
        let run = site.run(&arguments);
        assert!(run.code == code && run.stderr.contains(says), "{arguments:?}: {} {}", run.code, run.stderr);
    }
    assert_eq!(site.read("full/file"), "mine");
    assert_eq!(std::fs::read_dir(site.path().join("full")).unwrap().count(), 1);
    let run = site.run(&["policy", "new", "a", "--lang", "c"]);
    assert!(run.code == 0 && run.stdout.contains("portcullis policy build a"), "{}{}", run.stdout, run.stderr);
    let twice = site.run(&["policy", "new", "a", "--lang", "c"]);
    assert_eq!(twice.code, 1, "{}", twice.stderr);
}

#[test]
fn a_pull_into_a_folder_is_refused_before_anything_is_asked() {
    let site = Site::new();
    let run = site.run(&["policy", "pull", "registry.invalid/rules:1", "--out", "."]);
    assert!(run.code == 2 && run.stderr.contains("--out . is a folder"), "{}", run.stderr);
    assert_eq!(
        std::fs::read_dir(site.path()).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_file()).count(),
        0
    );
}
