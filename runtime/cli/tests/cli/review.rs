//! The reports that reviewers read: `inspect` in its formats, and `diff`.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::site::{STAGE0, STAGE0_SET, Site, built};

const LEDGER: &str = "d.ledger";

/// A section with the name and content, as the binary format has it.
fn custom(name: &str, data: &[u8]) -> Vec<u8> {
    fn leb(out: &mut Vec<u8>, mut value: usize) {
        while value > 0x7f {
            out.push(0x80 | u8::try_from(value & 0x7f).unwrap());
            value >>= 7;
        }
        out.push(u8::try_from(value).unwrap());
    }
    let mut content = Vec::new();
    leb(&mut content, name.len());
    content.extend_from_slice(name.as_bytes());
    content.extend_from_slice(data);
    let mut section = vec![0];
    leb(&mut section, content.len());
    [section, content].concat()
}

fn with(module: &str, more: &[u8]) -> Vec<u8> {
    [&std::fs::read(built(module)).unwrap(), more].concat()
}

/// A site with three recorded decisions (allow, defer, deny) of `stage0-constraints`.
fn decided() -> Site {
    let site = Site::locked(STAGE0_SET);
    site.write("allowed.json", STAGE0);
    site.write("pending.json", STAGE0.replace("\"approval_status\": \"approved\"", "\"approval_status\": \"pending\""));
    site.write("developer.json", STAGE0.replace("\"actor_role\": \"platform_admin\"", "\"actor_role\": \"developer\""));
    let run =
        site.run(&["decide", "--policies", ".", "--ledger", LEDGER, "allowed.json", "pending.json", "developer.json"]);
    assert_eq!(run.code, 23, "{}{}", run.stdout, run.stderr);
    site
}

#[test]
fn a_report_is_written_where_it_is_asked_for() {
    let site = Site::new();
    site.add_module("stage0-constraints");
    for (format, begin) in [("human", "✔ ADMISSIBLE"), ("json", "{\n"), ("html", "<!doctype html>")] {
        let run = site.run(&["inspect", "--format", format, "--out", "report", "stage0-constraints.wasm"]);
        assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{}", run.stderr);
        let written = site.read("report");
        assert!(written.starts_with(begin), "{written}");
        let printed = site.run(&["inspect", "--format", format, "stage0-constraints.wasm"]);
        assert_eq!(printed.stdout, written);
    }
    let run = site.run(&["inspect", "--out", "nowhere/report", "stage0-constraints.wasm"]);
    assert!(run.code == 1 && run.stderr.contains("cannot write"), "{}", run.stderr);
    let run = site.run(&["inspect", "--since", "1h", "stage0-constraints.wasm"]);
    assert_eq!(run.code, 2, "--since without --ledger");
}

#[test]
fn what_is_too_large_is_refused_with_its_own_size_and_digest() {
    let site = Site::new();
    let large = vec![0x20; (32 << 20) + 100_000];
    site.write("large.wasm", &large);
    let run = site.run(&["inspect", "--format", "json", "large.wasm"]);
    let json = run.json();
    assert_eq!(
        (run.code, json["code"].as_str(), json["size_bytes"].as_u64()),
        (3, Some("load.size"), Some(large.len() as u64))
    );
    let expected = Command::new("sha256sum").arg(site.path().join("large.wasm")).output().unwrap();
    assert!(String::from_utf8(expected.stdout).unwrap().starts_with(json["module_sha256"].as_str().unwrap()));
    assert!(json["detail"].as_str().unwrap().starts_with("33654432 bytes"), "{}", json["detail"]);
    assert_eq!(json["complete"], false);
    let limits = json["limits"].as_array().unwrap();
    let need = limits.iter().find(|need| need["limit"] == "module-mib").unwrap();
    assert_eq!((need["needs"].as_u64(), need["fits"].as_bool()), (Some(large.len() as u64), Some(false)));
    let run = site.run(&["inspect", "/dev/zero"]);
    assert!(run.code == 1 && run.stderr.contains("no file"), "{}", run.stderr);
}

#[test]
fn the_ledger_says_what_a_module_did() {
    let site = decided();
    let module = ["--ledger", LEDGER, "stage0-constraints.wasm"];
    let json = site.run(&[&["inspect", "--format", "json"], &module[..]].concat()).json();
    let usage = &json["usage"];
    assert_eq!((usage["decisions"].as_u64(), usage["sets"].as_u64()), (Some(3), Some(1)));
    assert_eq!(usage["said"], serde_json::json!({"allow": 1, "defer": 1, "deny": 1}));
    assert_eq!(usage["fuel"]["count"], 3);
    assert!(usage["fuel"]["p50"].as_u64().unwrap() > 1000);
    let human = site.run(&[&["inspect"], &module[..]].concat()).stdout;
    assert!(human.contains("asked in 3 decisions, by 1 policy set"), "{human}");
    let later = [&["inspect", "--format", "json", "--since", "2100-01-01T00:00:00Z"], &module[..]].concat();
    assert_eq!(site.run(&later).json()["usage"]["decisions"], 0);
    let run = site.run(&["inspect", "--ledger", "nowhere", "stage0-constraints.wasm"]);
    assert!(run.code == 1 && run.stderr.contains("there is no ledger"), "{}", run.stderr);
}

#[test]
fn a_module_and_itself_differ_in_nothing() {
    let site = decided();
    let run = site.run(&[
        "diff",
        "stage0-constraints.wasm",
        "stage0-constraints.wasm",
        "--ledger",
        LEDGER,
        "--format",
        "json",
    ]);
    let json = run.json();
    assert_eq!((run.code, json["identical"].as_bool(), json["changes"].as_array().unwrap().len()), (0, Some(true), 0));
    assert_eq!((json["decisions"]["decided"].as_u64(), json["decisions"]["unchanged"].as_u64()), (Some(3), Some(3)));
    site.write("rebuilt.wasm", with("stage0-constraints", &custom("note", b"x")));
    let run = site.run(&["diff", "stage0-constraints.wasm", "rebuilt.wasm", "--ledger", LEDGER, "--format", "json"]);
    let json = run.json();
    assert_eq!((run.code, json["identical"].as_bool()), (0, Some(false)));
    assert_eq!(
        (json["decisions"]["unchanged"].as_u64(), json["decisions"]["said_otherwise"].as_u64()),
        (Some(3), Some(0))
    );
    assert_eq!(json["decisions"]["fuel_before"], json["decisions"]["fuel_after"]);
    let human = site.run(&["diff", "stage0-constraints.wasm", "rebuilt.wasm", "--ledger", LEDGER]).stdout;
    assert!(human.lines().next().unwrap().ends_with("0 of 3 decisions made again would change"), "{human}");
    let areas: Vec<_> =
        json["changes"].as_array().unwrap().iter().map(|change| change["area"].as_str().unwrap()).collect();
    assert_eq!(areas, ["sizes", "custom-sections"]);
}

/// A module that says allow to everything, in the place of one that denies.
#[test]
fn decisions_that_become_more_lenient_are_told_by_the_exit_code() {
    let site = decided();
    site.write("lenient.wasm", std::fs::read(built("rules")).unwrap());
    // Without settings, no rule matches; it does not take that, and faults: stricter, never more lenient.
    let run = site.run(&["diff", "stage0-constraints.wasm", "lenient.wasm", "--ledger", LEDGER, "--format", "json"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert_eq!(run.json()["decisions"]["faults"]["load.settings"], 3);
    // A policy that denies by its fault, and one that does not.
    site.write(
        "set/portcullis.toml",
        "portcullis = 1\nname = \"s\"\n[[policy]]\nname = \"one\"\nmodule = \"../runaway.wasm\"\n",
    );
    site.add_module("runaway");
    assert_eq!(site.run(&["lock", "--policies", "set"]).code, 0);
    assert_eq!(site.run(&["decide", "--policies", "set", "--ledger", "e.ledger", "allowed.json"]).code, 23);
    let diff = ["diff", "runaway.wasm", "stage0-constraints.wasm", "--ledger", "e.ledger"];
    let run = site.run(&diff);
    assert!(run.code == 6 && run.stdout.starts_with("✖ MORE LENIENT  1 decision"), "{}{}", run.stdout, run.stderr);
    assert_eq!(site.run(&[&diff[..], &["--allow-more-lenient"]].concat()).code, 0);
    let json = site.run(&[&diff[..], &["--format", "json"]].concat()).json();
    let transition = &json["decisions"]["transitions"][0];
    assert_eq!(
        (transition["from"].as_str(), transition["to"].as_str(), transition["kind"].as_str()),
        (Some("deny"), Some("allow"), Some("more-lenient"))
    );
    assert_eq!(site.run(&[&diff[..], &["--since", "2100-01-01T00:00:00Z"]].concat()).code, 7);
}

#[test]
fn a_new_module_that_is_refused_ends_with_its_own_code() {
    let site = decided();
    site.write("text.wasm", "(component)");
    let run = site.run(&[
        "diff",
        "stage0-constraints.wasm",
        "text.wasm",
        "--ledger",
        LEDGER,
        "--policies",
        ".",
        "--format",
        "json",
    ]);
    let json = run.json();
    assert_eq!((run.code, json["new"]["code"].as_str(), json["decisions"].is_null()), (3, Some("load.format"), true));
    assert_eq!(site.run(&["diff", "text.wasm", "stage0-constraints.wasm"]).code, 0, "the old one may be refused");
    let run = site.run(&["diff", "nowhere.wasm", "text.wasm"]);
    assert!(run.code == 1 && run.stdout.is_empty(), "{}", run.stdout);
}

#[test]
fn a_policy_set_says_what_the_new_module_reads_with_its_settings() {
    let site = decided();
    site.add_module("cost-cap");
    let run = site.run(&["diff", "stage0-constraints.wasm", "cost-cap.wasm", "--policies", ".", "--format", "json"]);
    let json = run.json();
    assert_eq!((run.code, json["policies"][0]["policy"].as_str()), (0, Some("stage0")), "{json}");
    assert_eq!(json["policies"][0]["after"]["code"], "load.settings");
    assert!(json["policies"][0]["before"]["inputs"].as_array().unwrap().contains(&Value::from("/now")));
}

/// Markup in every name, in a browser that would run it.
#[test]
fn a_browser_shows_a_hostile_module_and_runs_nothing() {
    let Some(browser) = chromium() else {
        portcullis_skip::skip("chromium", "no browser has shown a report: apt-get install chromium");
        return;
    };
    let site = Site::new();
    let attack = "</title></style><script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">\u{202e}\u{1b}[2J\0";
    let sections =
        [custom(attack, b""), custom(&attack.repeat(700), b""), custom("source", attack.as_bytes())].concat();
    let file = "<svg onload=document.title='pwned'>.wasm";
    site.write(file, with("stage0-constraints", &sections));
    let run = site.run(&["inspect", "--format", "html", "--out", "report.html", file]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let dom = shown_by(&browser, &site.path().join("report.html"));
    assert!(dom.contains("It says about itself") && dom.contains("&lt;script&gt;"), "{dom}");
    assert!(!dom.contains("<script") && !dom.contains("<img") && !dom.contains("onload=\""), "{dom}");
    assert!(dom.contains("<title>ADMISSIBLE: &lt;svg onload=document.title='pwned'&gt;.wasm"), "{dom}");

    // And if markup got through all the same: the policy in the file stops it. A page without the policy shows that the
    // browser would have run it.
    let html = site.read("report.html").replace("<main>", "<main><script>document.title='pwned'</script>");
    site.write("broken.html", &html);
    assert!(!shown_by(&browser, &site.path().join("broken.html")).contains("<title>pwned</title>"));
    let open = html.lines().filter(|line| !line.contains("Content-Security-Policy")).collect::<Vec<_>>().join("\n");
    site.write("open.html", open);
    assert!(shown_by(&browser, &site.path().join("open.html")).contains("<title>pwned</title>"));
}

fn chromium() -> Option<String> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = names.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    found.map(str::to_owned)
}

/// What a browser makes of a file, written as HTML again.
fn shown_by(browser: &str, file: &Path) -> String {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", file.display()))
        .output()
        .unwrap();
    let dom = String::from_utf8(output.stdout).unwrap();
    assert!(dom.contains("</html>"), "{}", String::from_utf8_lossy(&output.stderr));
    dom
}
