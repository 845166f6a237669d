//! What authors do with a component: run it, test it with its fuel and codes, watch, measure, describe.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::site::{PLAN, Run, Site};

const REQUEST: &str = r#"{"subject":{"type":"user","id":"a"},"action":{"name":"deploy"},"resource":{"type":"service","id":"b"},"context":CONTEXT}"#;

fn request(context: &str) -> String {
    REQUEST.replace("CONTEXT", context)
}

/// A case of `cost-cap`, whose cap is 100 dollars.
fn case(name: &str, cost: &str, outcome: &str, code: &str) -> String {
    format!(
        r#"{{"name":"{name}","request":{},"settings":{{"cap":100}},"expect":{{"outcome":"{outcome}","codes":["sample.cost-cap.{code}"]}}}}"#,
        request(&format!(r#"{{"change":{{"cost_usd":{cost}}}}}"#))
    )
}

/// A folder with `cost-cap`, built, and two cases.
fn site() -> Site {
    let site = Site::new();
    site.write("target/policies/cost-cap.wasm", std::fs::read(super::site::built("cost-cap")).unwrap());
    site.write(
        "cost-cap/cases/a.json",
        format!("[{},{}]", case("cheap", "99", "allow", "within-budget"), case("dear", "101", "deny", "above-cap")),
    );
    site
}

fn test(site: &Site, arguments: &[&str]) -> Run {
    site.run(&[&["policy", "test", "cost-cap"], arguments].concat())
}

/// What differs from run to run, made alike.
fn steady(text: &str) -> String {
    let lines = text.lines().map(|line| match line.split_whitespace().next() {
        Some("fuel") => "    fuel    N of 10000000 (N %)".to_owned(),
        Some("time") => "    time    N µs of 100 ms".to_owned(),
        Some("load") => "    load    N ms".to_owned(),
        _ => match line.split_once(" module ") {
            Some((name, _)) => format!("{name} module N"),
            None => line.to_owned(),
        },
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_run_shows_everything_and_permits_nothing() {
    let site = site();
    site.write("request.json", request(r#"{"change":{"cost_usd":600.5,"note":"a\u001b[2Jb"}}"#));
    let settings = r#"{"cap":1000,"approvals":[{"above":500,"roles":["finance"]}]}"#;
    let arguments =
        ["policy", "run", "target/policies/cost-cap.wasm", "--request", "request.json", "--settings-json", settings];
    let run = site.run(&arguments);
    assert_eq!(run.code, 22, "{}{}", run.stdout, run.stderr);
    insta::assert_snapshot!(steady(&run.stdout));

    let run = site.run(&[&arguments[..], &["--format", "json", "--now", "2026-03-14T09:30:00Z"]].concat());
    let trace = run.json();
    assert_eq!((run.code, &trace["permission"], &trace["outcome"]), (22, &json!(false), &json!("escalate")));
    assert_eq!(trace["now"], "2026-03-14T09:30:00.000Z");
    assert_eq!(
        trace["inputs"],
        json!([{"pointer": "/resource/type", "value": "service"}, {"pointer": "/context/change/cost_usd", "value": 600.5}])
    );
    assert_eq!(trace["said"]["answer"]["verdict"]["findings"][0]["requirement"]["roles"], json!(["finance"]));
    assert_eq!(trace["fuel"]["limit"], 10_000_000);
    assert!(trace["fuel"]["used"].as_u64().unwrap() > 100 && trace["memory_bytes"]["used"].as_u64().unwrap() >= 65536);
}

/// As a policy set of this policy alone would: proceeding is 0, and neither an abstention nor a fault proceeds.
#[test]
fn a_run_exits_as_a_set_of_that_policy_would() {
    let site = site();
    for (context, settings, code, outcome) in [
        (r#"{"change":{"cost_usd":1}}"#, r#"{"cap":100}"#, 0, "allow"),
        ("{}", r#"{"cap":100}"#, 20, "defer"),
        (r#"{"change":{"cost_usd":101}}"#, r#"{"cap":100}"#, 23, "deny"),
        ("{}", r#"{"cap":100,"resource_types":["job"]}"#, 23, "abstain"),
        ("{}", r#"{"cap":"much"}"#, 1, "load.settings"),
    ] {
        site.write("request.json", request(context));
        let module = "target/policies/cost-cap.wasm";
        let run = site.run(&[
            "policy",
            "run",
            module,
            "--request",
            "request.json",
            "--settings-json",
            settings,
            "--format",
            "json",
        ]);
        assert_eq!((run.code, run.json()["outcome"].as_str()), (code, Some(outcome)), "{}{}", run.stdout, run.stderr);
    }
}

#[test]
fn a_run_of_a_case_says_whether_it_is_as_expected() {
    let site = site();
    let run = |name: &str| {
        let module = "target/policies/cost-cap.wasm";
        site.run(&["policy", "run", module, "--case", "cost-cap/cases/a.json", "--name", name, "--format", "json"])
    };
    let cheap = run("cheap");
    assert_eq!((cheap.code, &cheap.json()["as_expected"]), (0, &json!(true)), "{}", cheap.stdout);
    let both = run("ea");
    assert!(both.code == 1 && both.stderr.contains("\"cheap\"") && both.stderr.contains("--name"), "{}", both.stderr);
    site.write("cost-cap/cases/a.json", format!("[{}]", case("dear", "101", "allow", "within-budget")));
    let wrong = run("dear");
    assert_eq!((wrong.code, &wrong.json()["as_expected"]), (23, &json!(false)), "{}", wrong.stdout);
    assert!(wrong.json()["difference"].as_str().unwrap().contains("- outcome: allow"));
}

#[test]
fn a_run_is_told_the_past_that_it_is_given_and_no_other() {
    let site = Site::new();
    site.add_module("deploy-rate");
    site.write("request.json", request("{}"));
    site.write("settings.json", r#"{"limits":[{"at_most":1,"per_minutes":60}]}"#);
    let run = |more: &[&str]| {
        let now = "2026-03-14T09:30:00Z";
        let arguments =
            ["policy", "run", "deploy-rate.wasm", "--request", "request.json", "--settings", "settings.json"];
        site.run(&[&arguments[..], &["--now", now, "--format", "json"], more].concat())
    };
    let without = run(&[]);
    assert_eq!((without.code, &without.json()["outcome"]), (1, &json!("fault.history")));
    assert!(without.json()["calls"][0]["stopped"].as_str().unwrap().contains("the host gives policies none"));

    site.write(
        "past.json",
        r#"[{"action":"deploy","resource":{"type":"service","id":"b"},"outcome":"allow","minutes_ago":5}]"#,
    );
    let past = run(&["--history", "past.json"]);
    assert_eq!((past.code, &past.json()["calls"][0]["answer"]["count"]), (20, &json!(1)), "{}", past.stdout);

    let mut calls = json!([{"query": past.json()["calls"][0]["query"], "answer": {"count": 0}}]);
    site.write("calls.json", calls.to_string());
    assert_eq!(run(&["--history", "calls.json"]).code, 0);
    calls[0]["query"]["within_minutes"] = json!(61);
    site.write("calls.json", calls.to_string());
    let otherwise = run(&["--history", "calls.json"]);
    assert_eq!((otherwise.code, &otherwise.json()["outcome"]), (1, &json!("fault.history")));
}

/// What a door masks for the gate, an author's terminal does not show either.
#[test]
fn a_run_shows_no_credential() {
    let site = Site::new();
    site.add_module("terraform-blast-radius");
    assert!(PLAN.contains("\"password\":\"notsecret\""));
    site.write("plan.json", PLAN);
    for format in ["human", "json"] {
        let plan = ["--request", "plan.json", "--subject", "pipeline:ci", "--resource-id", "network"];
        let module = "terraform-blast-radius.wasm";
        let run = site.run(&[&["policy", "run", module, "--format", format], &plan[..]].concat());
        assert_eq!(run.code, 23, "{}", run.stderr);
        assert!(!run.stdout.contains("notsecret"), "{}", run.stdout);
        assert!(format == "human" || run.stdout.contains("\"password\": \"masked:hmac-sha256:"), "{}", run.stdout);
    }
}

#[test]
fn a_run_refuses_what_is_not_strict() {
    let site = site();
    site.write("request.json", request("{}"));
    site.write("twice.json", r#"{"cap":1,"cap":2}"#);
    let module = "target/policies/cost-cap.wasm";
    for (more, code, says) in [
        (vec!["--settings", "twice.json"], 1, "appears twice"),
        (vec!["--settings-json", "{"], 1, "--settings-json"),
        (vec!["--data", "calendar"], 2, "write NAME=FILE"),
        (vec!["--data", "a=request.json", "--data", "a=request.json"], 2, "gives \"a\" twice"),
        (vec!["--history", "request.json"], 1, "--history"),
        (vec!["--settings", "none.json"], 1, "cannot read none.json"),
        (vec!["--case", "cost-cap/cases/a.json"], 2, "cannot be used with"),
    ] {
        let run = site.run(&[&["policy", "run", module, "--request", "request.json"], &more[..]].concat());
        assert!(run.code == code && run.stderr.contains(says), "{more:?}: {} {}", run.code, run.stderr);
    }
}

#[test]
fn fuel_is_kept_and_a_change_is_a_warning_unless_it_is_denied() {
    let site = site();
    assert_eq!(test(&site, &[]).code, 0);
    let absent = test(&site, &["--deny-fuel-change"]);
    assert!(absent.code == 1 && absent.stdout.contains("there is no fuel.json in cost-cap"), "{}", absent.stdout);

    let written = test(&site, &["--update-fuel"]);
    assert!(written.code == 0 && written.stdout.contains("fuel of 2 cases kept in fuel.json"), "{}", written.stdout);
    let unchanged = test(&site, &["--deny-fuel-change"]);
    assert!(unchanged.code == 0 && !unchanged.stdout.contains("fuel"), "{}", unchanged.stdout);

    // Other bytes that use the same fuel: an empty custom section at the end.
    let module = std::fs::read(site.path().join("target/policies/cost-cap.wasm")).unwrap();
    site.write("target/policies/cost-cap.wasm", [&module[..], b"\x00\x02\x01x"].concat());
    assert_eq!(test(&site, &["--deny-fuel-change"]).code, 0);

    let kept: Value = serde_json::from_str(&site.read("cost-cap/fuel.json")).unwrap();
    let used = kept["cases"]["dear"].as_u64().unwrap();
    let mut dearer = kept.clone();
    dearer["cases"]["dear"] = json!(used * 9 / 10);
    site.write("cost-cap/fuel.json", dearer.to_string());
    let warned = test(&site, &[]);
    assert_eq!(warned.code, 0);
    let line = format!("+11.1 %  {} → {used}  dear", used * 9 / 10);
    assert!(warned.stdout.contains("in 1 of 2 cases; the component has other bytes"), "{}", warned.stdout);
    assert!(warned.stdout.contains(&line), "{line}: {}", warned.stdout);
    assert_eq!(test(&site, &["--deny-fuel-change"]).code, 1);
    assert_eq!(test(&site, &["--deny-fuel-change", "--fuel-tolerance", "12"]).code, 0);

    // A case under another name escapes nothing.
    site.write("cost-cap/fuel.json", kept.to_string());
    site.write("cost-cap/cases/a.json", site.read("cost-cap/cases/a.json").replace("\"dear\"", "\"renamed\""));
    let renamed = test(&site, &["--deny-fuel-change"]);
    assert_eq!(renamed.code, 1);
    for says in ["1 case is not in fuel.json, as \"renamed\"", "1 case is only in fuel.json, as \"dear\""] {
        assert!(renamed.stdout.contains(says), "{}", renamed.stdout);
    }
}

#[test]
fn fuel_is_not_kept_of_cases_that_fail() {
    let site = site();
    site.write("cost-cap/cases/a.json", format!("[{}]", case("dear", "101", "allow", "within-budget")));
    let run = test(&site, &["--update-fuel"]);
    assert!(run.code == 1 && !site.path().join("cost-cap/fuel.json").exists(), "{}", run.stdout);
}

#[test]
fn codes_that_no_case_reaches_can_be_denied() {
    let site = site();
    let noted = test(&site, &[]);
    assert!(noted.code == 0 && noted.stdout.contains("note: no case reaches sample.cost-cap.cost-missing"));
    let denied = test(&site, &["--deny-uncovered"]);
    assert!(denied.code == 1 && denied.stdout.contains("✖ no case reaches sample.cost-cap.cost-missing"));
    // Those of the folder itself reach every code.
    let all = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sample-policies/cost-cap");
    assert_eq!(site.run(&["policy", "test", all, "--deny-uncovered"]).code, 0);
}

/// `sample.rules.*` stands for the names that settings give rules.
#[test]
fn codes_that_settings_name_are_declared() {
    let site = Site::new();
    site.write("rules/rules.wasm", std::fs::read(super::site::built("rules")).unwrap());
    let rule =
        r#"{"name":"mine","when":{"field":"/action/name","op":"==","value":"deploy"},"outcome":"warn","message":"m"}"#;
    let case = format!(
        r#"[{{"name":"one","request":{},"settings":{{"rules":[{rule}]}},"expect":{{"outcome":"warn","codes":["sample.rules.mine"]}}}}]"#,
        request("{}")
    );
    site.write("rules/cases/a.json", case);
    let tested = site.run(&["policy", "test", "rules", "--format", "json"]).json();
    let coverage = &tested["policies"][0]["coverage"];
    let unreached = ["field-missing", "field-malformed", "no-rule-matches"].map(|code| format!("sample.rules.{code}"));
    let found: Vec<_> = coverage["unreached"].as_array().unwrap().iter().map(|code| code.as_str().unwrap()).collect();
    assert_eq!(found.len(), 3, "{coverage}");
    assert!(unreached.iter().all(|code| found.contains(&code.as_str())), "{coverage}");
    assert_eq!(coverage["undeclared"], json!([]));
}

#[test]
fn machines_get_every_case() {
    let site = site();
    site.write("cost-cap/cases/b.json", format!("[{}]", case("wrong \\u001b[2J", "1", "deny", "above-cap")));
    let run = test(&site, &["--format", "json"]);
    let tested = run.json();
    assert_eq!(
        (run.code, &tested["ok"], &tested["passed"], &tested["failed"]),
        (1, &json!(false), &json!(2), &json!(1))
    );
    let cases = tested["policies"][0]["cases"].as_array().unwrap();
    let said: Vec<_> = cases.iter().map(|case| (case["passed"].as_bool(), case["said"].as_str())).collect();
    assert_eq!(said, [(Some(true), Some("allow")), (Some(true), Some("deny")), (Some(false), Some("allow"))]);
    assert!(cases.iter().all(|case| case["fuel"].as_u64() > Some(100) && case["memory_bytes"].as_u64() >= Some(65536)));
    assert_eq!(tested["policies"][0]["fuel"]["kept"], "absent");
    assert_eq!(tested["policies"][0]["coverage"]["declared"], 5);

    let run = test(&site, &["--format", "junit", "--deny-uncovered"]);
    assert_eq!(run.code, 1);
    assert!(!run.stdout.contains('\u{1b}'));
    for line in [
        "<testsuite name=\"cost-cap\" tests=\"4\" skipped=\"0\" errors=\"0\" failures=\"2\">",
        "<testcase name=\"cheap\" classname=\"cost-cap\" time=",
        "<property name=\"said\" value=\"deny\"/>",
        "- outcome: deny",
        "no case reaches sample.cost-cap.cost-missing",
    ] {
        assert!(run.stdout.contains(line), "{line}: {}", run.stdout);
    }
}

/// Ends a command that watches, however its test ends.
struct Watching(std::process::Child);

impl Drop for Watching {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[test]
fn watching_tests_again_and_ends_cleanly() {
    let site = site();
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(["policy", "test", "cost-cap", "--watch", "--no-build"]).current_dir(site.path()).env_clear();
    command.env("HOME", site.path().join("home")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut watching = Watching(command.spawn().unwrap());
    let output = watching.0.stdout.take().unwrap();
    let (send, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        BufReader::new(output).lines().map_while(Result::ok).for_each(|line| _ = send.send(line));
    });
    let until = |end: &str| {
        let mut seen = String::new();
        while !seen.contains(end) {
            match lines.recv_timeout(std::time::Duration::from_secs(60)) {
                Ok(line) => seen += &(line + "\n"),
                Err(error) => panic!("no {end:?} in {seen:?}: {error}"),
            }
        }
        seen
    };
    assert!(until("watching 2 files; Ctrl-C ends").contains("2 passed, 0 failed"));
    // A broken case is shown, and watching goes on.
    let good = site.read("cost-cap/cases/a.json");
    site.write("cost-cap/cases/a.json", "[");
    assert!(until("watching").contains("changed: cost-cap/cases/a.json"));
    site.write("cost-cap/cases/a.json", good.replace("\"deny\"", "\"warn\""));
    assert!(until("watching").contains("1 passed, 1 failed"));
    // So is another component.
    let module = std::fs::read(site.path().join("target/policies/cost-cap.wasm")).unwrap();
    site.write("target/policies/cost-cap.wasm", b"no component");
    assert!(until("watching").contains("the component is refused"));
    site.write("target/policies/cost-cap.wasm", module);
    until("watching");
    site.write("cost-cap/cases/a.json", good);
    assert!(until("watching").contains("2 passed, 0 failed"));

    let ended = Command::new("kill").args(["-INT", &watching.0.id().to_string()]).status().unwrap();
    assert!(ended.success());
    until("no longer watching");
    assert_eq!(watching.0.wait().unwrap().code(), Some(0), "as the last run would have");
}

#[test]
fn a_bench_of_cases_measures_each_of_them() {
    let site = site();
    let arguments = ["policy", "bench", "cost-cap", "--iterations", "20"];
    let run = site.run(&[&arguments[..], &["--format", "json"]].concat());
    let figures = run.json();
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(
        (&figures["requests"], &figures["settings"], &figures["evaluations"]),
        (&json!(2), &json!(1), &json!(40))
    );
    let tested = test(&site, &["--format", "json"]).json();
    let fuel = tested["policies"][0]["cases"].as_array().unwrap().iter().map(|case| case["fuel"].as_u64().unwrap());
    assert_eq!(figures["fuel"]["max"].as_u64(), fuel.max());
    let time = |name: &str| figures["time_us"][name].as_f64().unwrap();
    assert!(0.1 < time("p50") && time("p50") <= time("p99") && time("p99") <= time("max"), "{figures}");
    let load = |name: &str| figures["load_ms"][name].as_f64().unwrap();
    assert!(load("cached") < load("cold") && load("snapshot") > 0.0 && load("compile") > 0.0, "{figures}");
    for member in ["version", "profile", "opt_level", "processors"] {
        assert!(!figures["build"][member].is_null(), "{member}");
    }
    let human = site.run(&arguments);
    for says in [
        "2 cases with 1 set of settings",
        "each judged 20 times",
        "a fresh sandbox",
        "opt-level",
        "from the compile cache",
    ] {
        assert!(human.stdout.contains(says), "{says}: {}", human.stdout);
    }
    // The cases beside a component are its own.
    std::fs::copy(site.path().join("target/policies/cost-cap.wasm"), site.path().join("cost-cap/x.wasm")).unwrap();
    let beside = site.run(&["policy", "bench", "cost-cap/x.wasm", "--iterations", "1"]);
    assert!(beside.code == 0 && beside.stdout.contains("2 cases"), "{}{}", beside.stdout, beside.stderr);
}

#[test]
fn a_bench_of_a_ledger_takes_what_the_policy_was_given() {
    let site = Site::new();
    site.add_module("deploy-rate");
    site.add_module("cost-cap");
    site.write("settings.json", r#"{"limits":[{"at_most":1,"per_minutes":60}]}"#);
    let policy = |name: &str, rest: &str| format!("[[policy]]\nname = \"{name}\"\nmodule = \"{name}.wasm\"\n{rest}\n");
    let set = |policies: &[String]| {
        site.write("portcullis.toml", format!("portcullis = 1\nname = \"acme\"\n{}", policies.join("")));
        assert_eq!(site.run(&["lock", "--policies", "."]).code, 0);
    };
    let decide = || site.run(&["decide", "--policies", ".", "--ledger", "x.ledger", "request.json"]).code;
    site.write("request.json", request("{}"));
    set(&[policy("deploy-rate", "settings-file = \"settings.json\"\nlimits = { fuel = 1_000_000 }")]);
    assert_eq!((decide(), decide()), (0, 20));
    set(&[policy("cost-cap", "settings = { cap = 1 }")]);
    assert_eq!(decide(), 20);

    let bench = |more: &[&str]| {
        let arguments = ["policy", "bench", "deploy-rate.wasm", "--ledger", "x.ledger", "--iterations", "5"];
        site.run(&[&arguments[..], &["--format", "json"], more].concat())
    };
    let run = bench(&[]);
    let figures = run.json();
    assert_eq!(
        (run.code, &figures["requests"], &figures["left_out"]),
        (0, &json!(2), &json!({"of other policies": 1}))
    );
    assert_eq!((&figures["fuel"]["limit"], &figures["faults"]), (&json!(1_000_000), &json!({})));
    let said: Vec<_> = figures["dearest"].as_array().unwrap().iter().map(|one| one["said"].as_str().unwrap()).collect();
    assert!(said.contains(&"allow") && said.contains(&"defer"), "{said:?}");
    // Recorded for another policy: its settings mean nothing to this one, and that is said.
    let other = bench(&["--policy-name", "cost-cap"]);
    assert!(other.code == 1 && other.stderr.contains("load"), "{}", other.stderr);
    let none = bench(&["--since", "2100-01-01T00:00:00Z"]);
    assert!(none.code == 1 && none.stderr.contains("no request to judge"), "{}", none.stderr);
}

#[test]
fn a_bench_without_requests_is_wrong_usage() {
    let site = site();
    let run = site.run(&["policy", "bench", "target/policies/cost-cap.wasm"]);
    assert!(run.code == 2 && run.stderr.contains("name the requests"), "{}", run.stderr);
    let run = site.run(&["policy", "bench", "cost-cap", "--iterations", "0"]);
    assert_eq!(run.code, 2);
}

#[test]
fn readmes_are_written_and_found_stale() {
    let site = site();
    site.write("cost-cap/README.md", "# cost-cap\n\nMine.\n");
    let readme = |dir: &str, flag: &str| site.run(&["policy", "readme", dir, flag]);
    let stale = readme(".", "--check");
    assert!(stale.code == 1 && stale.stdout.contains("cost-cap/README.md is not current"), "{}", stale.stdout);
    assert_eq!(site.read("cost-cap/README.md"), "# cost-cap\n\nMine.\n");
    assert_eq!(readme(".", "--write").code, 0);
    insta::assert_snapshot!(site.read("cost-cap/README.md") + "\n=====\n" + &site.read("README.md"));
    let current = readme(".", "--check");
    assert_eq!((current.code, current.stdout.as_str()), (0, "2 READMEs are current\n"));

    // Another case, by its name; what stands around the part stays.
    let chosen = site.read("cost-cap/README.md").replace("the case \"cheap\"", "the case \"dear\"") + "\nThe end.\n";
    site.write("cost-cap/README.md", &chosen);
    let stale = readme("cost-cap", "--check");
    assert!(stale.code == 1 && stale.stdout.contains("+ ✖ DENY  stopped"), "{}", stale.stdout);
    assert_eq!(readme("cost-cap", "--write").code, 0);
    let text = site.read("cost-cap/README.md");
    assert!(text.starts_with("# cost-cap\n\nMine.\n") && text.ends_with("\nThe end.\n"), "{text}");
    assert!(text.contains("sample.cost-cap.above-cap"), "{text}");

    site.write("cost-cap/README.md", text.replace("the case \"dear\"", "the case \"gone\""));
    let gone = readme("cost-cap", "--write");
    assert!(gone.code == 1 && gone.stderr.contains("there is no case \"gone\""), "{}", gone.stderr);
    // An example that is not true is none.
    site.write("cost-cap/README.md", text);
    site.write("cost-cap/cases/a.json", format!("[{}]", case("dear", "1", "deny", "above-cap")));
    let wrong = readme("cost-cap", "--write");
    assert!(wrong.code == 1 && wrong.stderr.contains("does not pass, so it is no example"), "{}", wrong.stderr);
}
