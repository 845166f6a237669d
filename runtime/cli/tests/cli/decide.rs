use super::site::{PLAN, Run, STAGE0, STAGE0_SET, Site};

const DECIDE: [&str; 5] = ["decide", "--policies", ".", "--format", "json"];

fn decide(site: &Site, more: &[&str]) -> Run {
    site.run(&[&DECIDE[..], more].concat())
}

fn site() -> Site {
    let site = Site::locked(STAGE0_SET);
    site.write("allowed.json", STAGE0);
    site.write("pending.json", STAGE0.replace("\"approval_status\": \"approved\"", "\"approval_status\": \"pending\""));
    site.write("developer.json", STAGE0.replace("\"actor_role\": \"platform_admin\"", "\"actor_role\": \"developer\""));
    site
}

#[test]
fn the_printed_check_proceeds_and_its_variants_do_not() {
    let site = site();
    for (file, code, outcome) in
        [("allowed.json", 0, "allow"), ("pending.json", 20, "defer"), ("developer.json", 23, "deny")]
    {
        let run = decide(&site, &[file]);
        let json = run.json();
        assert_eq!((run.code, json["outcome"].as_str()), (code, Some(outcome)), "{}", run.stdout);
        assert_eq!((json["proceed"].as_bool(), json["degraded"].as_bool()), (Some(code == 0), Some(false)));
        assert_eq!(json["policies"][0]["name"], "stage0");
        assert!(json["policies"][0]["fuel"].as_u64().unwrap() > 0);
        assert_eq!((json["source"].as_str(), json["action"].as_str()), (Some(file), Some("execute")));
        assert_eq!(
            (json["resource"]["type"].as_str(), json["environment"].as_str()),
            (Some("stage0-check"), Some("production"))
        );
        assert!(json["subject"]["id"].is_string(), "{json}");
        for member in ["outcome", "code", "message", "policy"] {
            assert!(json["findings"][0][member].is_string(), "{member}");
        }
    }
}

/// The request where the ledger should be named.
#[test]
fn a_file_that_is_no_ledger_has_nothing_made_beside_it() {
    let site = site();
    let names = || {
        let entries = std::fs::read_dir(site.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    for arguments in
        [vec!["--ledger", "pending.json", "allowed.json"], vec!["--ledger", "portcullis.toml", "allowed.json"]]
    {
        let run = decide(&site, &arguments);
        assert!(run.code != 0 && run.stderr.contains("not a Portcullis ledger"), "{}{}", run.stdout, run.stderr);
        assert_eq!(names(), before);
    }
    assert_eq!(site.run(&["ledger", "verify", "pending.json"]).code, 4);
    assert_eq!(names(), before);
}

#[test]
fn standard_input_is_read_where_no_file_is_named() {
    let site = site();
    for arguments in [vec![], vec!["-"]] {
        let run = site.run_with(&[&DECIDE[..], &arguments].concat(), STAGE0, &[]);
        assert_eq!((run.code, run.json()["outcome"].as_str()), (0, Some("allow")), "{}", run.stderr);
    }
}

#[test]
fn many_are_lines_and_the_strictest_gives_the_code() {
    let site = site();
    let run = decide(&site, &["allowed.json", "pending.json", "developer.json", "pending.json"]);
    let lines = run.lines();
    assert_eq!(run.code, 23);
    let sources: Vec<_> = lines.iter().map(|line| line["source"].as_str().unwrap()).collect();
    assert_eq!(sources, ["allowed.json", "pending.json", "developer.json", "pending.json"]);
    assert!(run.stdout.lines().all(|line| line.starts_with("{\"source\":")));
    assert_eq!(decide(&site, &["allowed.json", "pending.json"]).code, 20);
    assert_eq!(decide(&site, &["--jobs", "4", "allowed.json", "allowed.json"]).code, 0);
}

#[test]
fn an_error_is_one_among_others_and_dominates() {
    let site = site();
    site.write("list.json", "[]");
    site.write("twice.json", STAGE0.replacen('{', "{\"goal\":\"x\",", 1));
    site.write("deep.json", "[".repeat(10_000));
    site.write("empty.json", "");
    site.write("surrogate.json", "{\"goal\":\"\\ud800\"}");
    site.write("large.json", vec![b' '; 33 * 1024 * 1024]);
    let files =
        ["list.json", "twice.json", "deep.json", "empty.json", "surrogate.json", "large.json", "nowhere.json", "."];
    let run = decide(&site, &[&["developer.json"], &files[..], &["allowed.json"]].concat());
    assert_eq!(run.code, 1);
    let lines = run.lines();
    let codes: Vec<_> = lines.iter().map(|line| line["error"]["code"].as_str().unwrap_or("none")).collect();
    let expected = [
        "none",
        "payload.unknown",
        "request.duplicate-key",
        "request.depth",
        "request.syntax",
        "request.syntax",
        "request.size",
        "payload.unreadable",
        "payload.unreadable",
        "none",
    ];
    assert_eq!(codes, expected);
    let proceeding: Vec<_> = lines.iter().map(|line| line["proceed"].as_bool().unwrap()).collect();
    assert_eq!(proceeding.iter().filter(|proceeds| **proceeds).count(), 1, "{proceeding:?}");
    assert_eq!(proceeding.last(), Some(&true));
}

#[test]
fn a_plan_takes_what_it_does_not_say_from_the_options() {
    let site = site();
    site.write("plan.json", PLAN);
    let options =
        ["--subject", "pipeline:release", "--environment", "staging", "--context", "ticket=CHG-7", "plan.json"];
    let run = decide(&site, &options);
    // The set's one policy does not know plans: nothing applied, so it is denied.
    assert_eq!((run.code, run.json()["findings"][0]["code"].as_str()), (23, Some("portcullis.no-policy-applied")));
    let human = site.run(&[&["decide", "--policies", "."], &options[..]].concat());
    assert!(
        human.stdout.contains("apply terraform-plan plan in staging, asked by pipeline release"),
        "{}",
        human.stdout
    );
    let run = decide(&site, &["--from", "stage0", "plan.json"]);
    assert_eq!((run.code, run.json()["error"]["code"].as_str()), (1, Some("payload.shape")));
    let run = decide(&site, &["--environment", "staging", "allowed.json"]);
    assert_eq!((run.code, run.json()["error"]["code"].as_str()), (1, Some("payload.option")));
}

#[test]
fn people_see_the_outcome_first() {
    let site = site();
    let run = site.run(&["decide", "--policies", ".", "developer.json", "allowed.json"]);
    assert_eq!(run.code, 23);
    assert!(run.stdout.starts_with("✖ DENY  stopped\n"), "{}", run.stdout);
    assert!(run.stdout.ends_with("\n2 payloads: 1 allow, 1 deny\n"), "{}", run.stdout);
    assert!(!run.stdout.contains('\u{1b}'), "colour without a terminal");
}

#[test]
fn a_rehearsal_says_so() {
    let site = site();
    let run = decide(&site, &["--now", "2031-01-01T00:00:00Z", "allowed.json"]);
    assert_eq!(run.json()["now"], "2031-01-01T00:00:00.000Z");
    assert!(run.stderr.contains("DRY RUN at another time"), "{}", run.stderr);
    assert_eq!(run.json()["recorded"], "dry-run");
    assert!(decide(&site, &["allowed.json"]).stderr.is_empty());
}

#[test]
fn github_gets_annotations_and_a_step_summary() {
    let site = site();
    let summary = site.path().join("summary.md");
    std::fs::write(&summary, "before\n").unwrap();
    let arguments = ["decide", "--policies", ".", "--format", "github", "developer.json"];
    let run = site.run_with(&arguments, "", &[("GITHUB_STEP_SUMMARY", &summary)]);
    assert_eq!(run.code, 23);
    assert!(run.stdout.starts_with("::error file=developer.json,title=deny%3A sample.stage0."), "{}", run.stdout);
    let summary = std::fs::read_to_string(&summary).unwrap();
    assert!(summary.starts_with("before\n## Portcullis: 1 payload: 1 deny\n"), "{summary}");
    assert_eq!(site.run_with(&arguments, "", &[("GITHUB_STEP_SUMMARY", site.path())]).code, 1);
}

#[test]
fn junit_gets_a_report() {
    let site = site();
    let run =
        site.run(&["decide", "--policies", ".", "--format", "junit", "allowed.json", "developer.json", "none.json"]);
    assert_eq!(run.code, 1);
    assert!(run.stdout.contains(r#"failures="1" errors="1""#), "{}", run.stdout);
}

#[test]
fn a_decision_that_cannot_be_written_does_not_proceed() {
    let site = site();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(DECIDE).arg("allowed.json").current_dir(site.path()).env("HOME", site.path().join("home"));
    assert_eq!(command.stdout(full).status().unwrap().code(), Some(1));
}

#[test]
fn a_policy_that_fails_counts_as_its_level() {
    let manifest = format!("{STAGE0_SET}limits = {{ fuel = 100 }}\n");
    let site = Site::locked(&manifest);
    site.write("allowed.json", STAGE0);
    let run = decide(&site, &["allowed.json"]);
    let json = run.json();
    assert_eq!((run.code, json["findings"][0]["code"].as_str()), (23, Some("fault.fuel")), "{}", run.stdout);
    let site = Site::locked(&manifest.replace("limits", "enforce = \"warn\"\nlimits"));
    site.write("allowed.json", STAGE0);
    let run = decide(&site, &["allowed.json"]);
    // An advisory policy cannot stop a request, and does not count as having applied.
    assert_eq!((run.code, run.json()["findings"][0]["code"].as_str()), (23, Some("portcullis.no-policy-applied")));
}
