//! The ledger as its users see it: decided, listed, proved, replayed, audited, erased.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::site::{Run, STAGE0, STAGE0_SET, Site};

pub(crate) const LEDGER: &str = "d.ledger";

pub(crate) fn site() -> Site {
    let site = Site::locked(STAGE0_SET);
    site.write("allowed.json", STAGE0);
    site.write("pending.json", STAGE0.replace("\"approval_status\": \"approved\"", "\"approval_status\": \"pending\""));
    site.write("developer.json", STAGE0.replace("\"actor_role\": \"platform_admin\"", "\"actor_role\": \"developer\""));
    site
}

pub(crate) fn decide(site: &Site, more: &[&str]) -> Run {
    site.run(&[&["decide", "--policies", ".", "--ledger", LEDGER, "--format", "json"], more].concat())
}

/// A site with three decisions, and their ids: allow, defer, deny.
pub(crate) fn decided() -> (Site, [String; 3]) {
    let site = site();
    let run = decide(&site, &["allowed.json", "pending.json", "developer.json"]);
    assert_eq!(run.code, 23, "{}{}", run.stdout, run.stderr);
    let lines = run.lines();
    let ids = [0, 1, 2].map(|n: usize| lines[n]["id"].as_str().unwrap().to_owned());
    assert_eq!([0, 1, 2].map(|n: usize| lines[n]["recorded"]["event"].as_u64()), [Some(1), Some(2), Some(3)]);
    (site, ids)
}

/// Runs a command on the ledger; its exit code must be that.
pub(crate) fn on(site: &Site, code: i32, command: &[&str], more: &[&str]) -> Run {
    let run = site.run(&[command, &["--ledger", LEDGER], more].concat());
    assert_eq!(run.code, code, "{command:?} {more:?}: {}{}", run.stdout, run.stderr);
    run
}

#[test]
fn the_whole_walk() {
    let (site, [allow, defer, deny]) = decided();
    let json = ["--format", "json"];

    let list = on(&site, 0, &["ledger", "list"], &json).json();
    let listed: Vec<_> = list.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(listed, [&deny, &defer, &allow], "the latest first");
    assert_eq!(list[0]["outcome"], "deny");
    let only = on(&site, 0, &["ledger", "list"], &["--format", "json", "--outcome", "defer", "--since", "1h"]).json();
    assert_eq!((only.as_array().unwrap().len(), only[0]["id"].as_str()), (1, Some(&*defer)));
    let found = |more: &[&str]| {
        let list = on(&site, 0, &["ledger", "list"], &[&json[..], more].concat()).json();
        list.as_array().unwrap().iter().map(|row| row["index"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let code = list[0]["codes"][0].as_str().unwrap();
    assert_eq!(code, "sample.stage0.role-not-allowed");
    assert_eq!((list[0]["policy"].as_str(), list[0]["environment"].as_str()), (Some("stage0"), Some("production")));
    assert_eq!(found(&["--code", code]), [3]);
    assert_eq!(found(&["--environment", "production"]), [3, 2, 1]);
    assert_eq!(found(&["--environment", "staging"]), [0; 0]);
    let subject = list[0]["subject"]["id"].as_str().unwrap();
    let typed = format!("{}:{subject}", list[0]["subject"]["type"].as_str().unwrap());
    assert_eq!(found(&["--subject", subject, "--limit", "2"]), [3, 2]);
    assert_eq!((found(&["--subject", &typed]), found(&["--subject", "nobody"])), (vec![3, 2, 1], vec![]));
    let human = on(&site, 0, &["ledger", "list"], &[]).stdout;
    assert!(human.contains(&format!("in production, by {}", typed.replace(':', " "))), "{human}");
    assert!(human.contains(&format!("{code} · policy stage0 · {deny}")), "{human}");
    assert!(human.contains(&*allow) && human.ends_with("3 decisions; the ledger has 4 events\n"), "{human}");

    let show = on(&site, 0, &["ledger", "show"], &["--format", "json", &deny]).json();
    assert_eq!(
        (show["decision"]["outcome"].as_str(), show["event"]["type"].as_str()),
        (Some("deny"), Some("decision"))
    );
    assert!(show["request"]["context"]["stage0"].is_object());
    assert_eq!(on(&site, 0, &["ledger", "show"], &["--format", "json", "3"]).json(), show);
    assert!(on(&site, 0, &["ledger", "show"], &[&deny]).stdout.starts_with("✖ DENY"));
    for (id, problem) in [("99", "the ledger has no event 99"), ("0", "is no decision"), ("x", "neither")] {
        assert!(on(&site, 1, &["ledger", "show"], &[id]).stderr.contains(problem), "{id}");
    }

    let verified = on(&site, 0, &["ledger", "verify"], &json).json();
    assert_eq!((verified["sound"].as_bool(), verified["events"].as_u64()), (Some(true), Some(4)));
    assert_eq!(site.run(&["ledger", "verify", LEDGER]).code, 0);

    let proof = on(&site, 0, &["ledger", "prove"], &[&allow]).json();
    assert_eq!(
        (proof["kind"].as_str(), proof["index"].as_u64(), proof["size"].as_u64()),
        (Some("inclusion"), Some(1), Some(4))
    );
    let proof = on(&site, 0, &["ledger", "prove"], &["--from", "2"]).json();
    assert_eq!((proof["kind"].as_str(), proof["to"].as_u64()), (Some("consistency"), Some(4)));

    let run = on(&site, 1, &["ledger", "prove"], &["--from", "9"]);
    assert!(run.stderr.contains("the ledger has 4 events"), "{}", run.stderr);

    on(&site, 0, &["ledger", "export"], &["--out", "log"]);
    let checkpoint = on(&site, 0, &["ledger", "checkpoint"], &[]).stdout;
    assert_eq!(site.read("log/checkpoint"), checkpoint);
    assert_eq!(checkpoint.lines().nth(1), Some("4"));
    let key = fs::read_dir(site.path().join("log")).unwrap().map(|entry| entry.unwrap().path());
    let key = key.filter(|path| path.is_file() && !path.ends_with("checkpoint")).collect::<Vec<_>>();
    let [key] = key.as_slice() else { panic!("{key:?}") };
    let key = key.to_str().unwrap();
    assert_eq!(fs::read_to_string(key).unwrap(), on(&site, 0, &["ledger", "checkpoint"], &["--key"]).stdout);
    on(&site, 0, &["ledger", "verify"], &["--key", key]);

    for (id, outcome, proceed) in [(&allow, "allow", true), (&deny, "deny", false)] {
        on(&site, 0, &["receipt", "export"], &["--out", "receipt.json", id]);
        let verified = site.run(&["receipt", "verify", "receipt.json", "--key", key, "--format", "json"]);
        assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
        let verified = verified.json();
        assert_eq!((verified["id"].as_str(), verified["outcome"].as_str()), (Some(&**id), Some(outcome)));
        assert_eq!((verified["valid"].as_bool(), verified["proceed"].as_bool()), (Some(true), Some(proceed)));
    }
    let receipt = site.read("receipt.json");
    for at in [200, receipt.len() / 2, receipt.len() - 200] {
        let mut forged = receipt.clone().into_bytes();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        site.write("forged.json", forged);
        let run = site.run(&["receipt", "verify", "forged.json", "--key", key]);
        assert!(run.code == 4 && run.stdout.contains("NOT VALID"), "byte {at}: {}{}", run.stdout, run.stderr);
    }
    site.write("forged.json", "{}");
    assert_eq!(site.run(&["receipt", "verify", "forged.json", "--key", key]).code, 4);

    let replayed = on(&site, 0, &["replay"], &["--all", "--format", "json"]).json();
    assert_eq!((replayed["replayed"].as_u64(), replayed["identical"].as_u64()), (Some(3), Some(3)));
    assert!(replayed["decisions"].as_array().unwrap().iter().all(|one| one["result"] == "match"));
    on(&site, 0, &["replay"], &[&allow, "3"]);

    let audit = on(&site, 0, &["audit"], &["--verify", &deny]).stdout;
    assert!(audit.contains("byte for byte") && !audit.contains("✖ it") && audit.contains("stage0"), "{audit}");
    let audit = on(&site, 0, &["audit"], &["--verify", "--format", "json", &deny]).json();
    assert_eq!(audit["verified"], true);
    assert!(audit["checks"].as_array().unwrap().len() >= 4);

    erased(&site, &allow, &deny);
}

fn erased(site: &Site, allow: &str, deny: &str) {
    let run = on(site, 0, &["ledger", "erase"], &["--reason", "data-subject", "--reference", "PRIV-77", allow]);
    assert!(run.stdout.contains("event 4 says so"), "{}", run.stdout);
    let replayed = on(site, 5, &["replay"], &["--format", "json", allow]).json();
    assert_eq!(replayed["decisions"][0]["result"], "erased");
    assert!(on(site, 0, &["replay"], &["--all"]).stdout.ends_with("2 of 3 identical, 1 erased\n"));
    let all = on(site, 0, &["replay"], &["--all", "--format", "json"]).json();
    assert_eq!((all["identical"].as_u64(), all["erased"].as_u64()), (Some(2), Some(1)), "{all}");
    on(site, 0, &["ledger", "verify"], &[]);
    assert!(
        on(site, 0, &["ledger", "show"], &[allow]).stdout.contains("erased by event 4: a data subject asked, PRIV-77")
    );
    assert_eq!(on(site, 0, &["ledger", "show"], &["--format", "json", allow]).json()["erased"], true);
    on(site, 0, &["audit"], &["--verify", allow]);
    let receipt = on(site, 1, &["receipt", "export"], &["--out", "none.json", allow]);
    assert!(receipt.stderr.contains("was erased"), "{}", receipt.stderr);
    let again = on(site, 1, &["ledger", "erase"], &["--reason", "operator", allow]);
    assert!(again.stderr.contains("erased before"), "{}", again.stderr);

    let older = ["--older-than", "0m"];
    let run = on(site, 0, &["ledger", "retain"], &[&older[..], &["--dry-run"]].concat());
    assert!(run.stdout.contains("2 decisions"), "{}", run.stdout);
    on(site, 0, &["replay"], &[deny]);
    let run = on(site, 0, &["ledger", "retain"], &older);
    assert!(run.stdout.contains("2 decisions"), "{}", run.stdout);
    on(site, 5, &["replay"], &[deny]);
    assert!(on(site, 0, &["replay"], &["--all"]).stdout.ends_with("0 of 3 identical, 3 erased\n"));
    // Nothing is left that a candidate could be tried on.
    let none = on(site, 7, &["backtest"], &["--candidate", "."]);
    assert!(none.stderr.contains("says nothing of the candidate"), "{}", none.stderr);
    on(site, 0, &["backtest"], &["--candidate", ".", "--allow-unknown"]);
    let list = on(site, 0, &["ledger", "list"], &[]).stdout;
    assert!(list.matches("(erased)").count() == 3 && !list.contains(", by "), "{list}");
    assert!(on(site, 0, &["ledger", "retain"], &older).stdout.contains("nothing"));
    on(site, 0, &["ledger", "verify"], &[]);
}

#[test]
fn a_new_key_takes_over_and_a_replay_is_recorded() {
    let (site, _) = decided();
    let key = || on(&site, 0, &["ledger", "checkpoint"], &["--key"]).stdout;
    let first = key();
    let run = on(&site, 0, &["ledger", "rotate-key"], &[]);
    let second = key();
    assert!(first != second && run.stdout.contains(second.trim()), "{}", run.stdout);
    on(&site, 0, &["ledger", "verify"], &[]);
    site.write("first.vkey", first);
    site.write("second.vkey", second);
    on(&site, 0, &["ledger", "verify"], &["--key", "first.vkey"]);
    on(&site, 0, &["ledger", "verify"], &["--key", "second.vkey"]);
    on(&site, 0, &["replay"], &["--all", "--record"]);
    let size: serde_json::Value =
        serde_json::from_str(&on(&site, 0, &["ledger", "verify"], &["--format", "json"]).stdout).unwrap();
    let again = on(&site, 0, &["replay"], &["--all", "--record", "--since", "1d"]);
    let after: serde_json::Value =
        serde_json::from_str(&on(&site, 0, &["ledger", "verify"], &["--format", "json"]).stdout).unwrap();
    assert_eq!(after["events"].as_u64().unwrap(), size["events"].as_u64().unwrap() + 1, "{}", again.stdout);
    let export = on(&site, 0, &["ledger", "export"], &["--out", "log"]);
    assert!(export.stdout.contains("events"), "{}", export.stdout);
}

/// The same walk with a schema in PostgreSQL instead of a file.
#[test]
fn a_ledger_in_postgresql_is_used_like_a_file() {
    let Some(server) = crate::server::Server::start() else { return };
    let site = site();
    let url = format!("{}&schema=gate", server.url());
    let run = |code: i32, command: &[&str], more: &[&str]| {
        let run = site.run(&[command, &["--ledger", &url], more].concat());
        assert_eq!(run.code, code, "{command:?} {more:?}: {}{}", run.stdout, run.stderr);
        run
    };
    assert!(run(1, &["ledger", "list"], &[]).stderr.contains("there is no ledger in the schema gate"));
    let decided =
        run(0, &["decide", "--policies", ".", "--format", "json"], &["--idempotency-key", "one", "allowed.json"]);
    let id_of = |run: &Run| {
        let decision: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        decision["id"].as_str().unwrap().to_owned()
    };
    let id = id_of(&decided);
    let again =
        run(0, &["decide", "--policies", ".", "--format", "json"], &["--idempotency-key", "one", "allowed.json"]);
    assert_eq!(id_of(&again), id);
    run(23, &["decide", "--policies", "."], &["developer.json"]);
    assert!(run(0, &["ledger", "list"], &[]).stdout.contains(&id));
    run(0, &["ledger", "show"], &[&id]);
    let verified = run(0, &["ledger", "verify"], &[]);
    assert!(verified.stdout.contains("in the schema gate of PostgreSQL at /"), "{}", verified.stdout);
    run(0, &["ledger", "prove"], &[&id]);
    run(0, &["replay"], &["--all", "--record"]);
    run(0, &["backtest", "--candidate", "."], &[]);
    run(0, &["audit", "--verify"], &[&id]);
    run(0, &["receipt", "export", "--out", "receipt.json"], &[&id]);
    let first = run(0, &["ledger", "checkpoint"], &["--key"]).stdout;
    site.write("first.vkey", &first);
    assert_eq!(site.run(&["receipt", "verify", "receipt.json", "--key", "first.vkey"]).code, 0);
    run(0, &["ledger", "rotate-key"], &[]);
    assert_ne!(run(0, &["ledger", "checkpoint"], &["--key"]).stdout, first);
    let all = run(0, &["ledger", "checkpoint"], &["--keys"]).stdout;
    assert!(all.starts_with(&first) && all.lines().count() == 2, "{all}");
    site.write("all.vkeys", &all);
    assert_eq!(site.run(&["receipt", "verify", "receipt.json", "--key", "all.vkeys"]).code, 0);
    site.write("second.vkey", all.strip_prefix(&first).unwrap());
    assert_eq!(site.run(&["receipt", "verify", "receipt.json", "--key", "second.vkey"]).code, 4);
    run(0, &["decide", "--policies", "."], &["allowed.json"]);
    run(0, &["ledger", "erase", "--reason", "operator"], &[&id]);
    run(0, &["ledger", "verify"], &["--key", "first.vkey"]);
    // A database that is not there.
    let gone = site.run(&["ledger", "verify", "postgres://gate:secret@127.0.0.1:1/gate"]);
    assert_eq!(gone.code, 1, "{}", gone.stderr);
    assert!(!gone.stdout.contains("secret") && !gone.stderr.contains("secret"));
}

#[test]
fn a_backtest_shows_what_would_change() {
    let (site, _) = decided();
    let candidate = |name: &str, more: &str| {
        site.write(
            &format!("{name}/portcullis.toml"),
            format!("{STAGE0_SET}{more}\n").replace("\"stage0-c", "\"../stage0-c"),
        );
        let run = site.run(&["lock", "--policies", name]);
        assert_eq!(run.code, 0, "{}", run.stderr);
    };
    candidate("same", "");
    candidate("stricter", "limits = { fuel = 100 }");
    candidate(
        "lenient",
        "[[waiver]]\npolicy = \"stage0\"\ncode = \"sample.stage0.role-not-allowed\"\nbecomes = \"warn\"\nreason = \"r\"\nowner = \"o\"\nuntil = 2100-01-01T00:00:00Z",
    );
    let backtest = |code, name: &str, more: &[&str]| {
        on(&site, code, &["backtest"], &[&["--candidate", name, "--format", "json"], more].concat()).json()
    };
    let transitions = |json: &Value| -> Vec<(String, String, u64)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let all = json["transitions"].as_array().unwrap().iter();
        all.map(|one| (text(&one["from"]), text(&one["to"]), one["count"].as_u64().unwrap())).collect()
    };
    let json = backtest(0, "same", &["--since", "1h"]);
    assert!(transitions(&json).iter().all(|(from, to, _)| from == to), "{json}");
    assert_eq!(json["decided"], 3);
    let json = backtest(7, "stricter", &[]);
    assert!(transitions(&json).contains(&("allow".into(), "deny".into(), 1)), "{json}");
    assert_eq!(json["transitions"][1]["examples"][0]["code"], "fault.fuel", "{json}");
    backtest(0, "stricter", &["--allow-unknown"]);
    let json = backtest(6, "lenient", &[]);
    assert!(transitions(&json).contains(&("deny".into(), "warn".into(), 1)), "{json}");
    backtest(0, "lenient", &["--allow-more-lenient"]);
    let human = on(&site, 6, &["backtest"], &["--candidate", "lenient"]);
    assert!(human.stdout.contains("more lenient"), "{}", human.stdout);
    let none = backtest(7, "lenient", &["--since", "2100-01-01T00:00:00Z"]);
    assert_eq!(none["decided"], 0);
}

#[test]
fn a_rehearsal_says_so_loudly_and_records_nothing() {
    let site = site();
    for more in [&["--dry-run"][..], &["--now", "2031-01-01T00:00:00Z"]] {
        let run = site.run(&[&["decide", "--policies", ".", "--ledger", LEDGER, "allowed.json"], more].concat());
        assert!(run.stderr.contains("DRY RUN") && run.stdout.contains("DRY RUN"), "{}{}", run.stdout, run.stderr);
        let run = decide(&site, &[&["allowed.json"], more].concat());
        assert_eq!(run.json()["recorded"], "dry-run");
        assert!(!site.path().join(LEDGER).exists());
    }
    assert!(!site.path().join("home/.local/state/portcullis/decisions.ledger").exists());
}

#[test]
fn the_ledger_is_in_the_state_folder_where_none_is_named() {
    let site = site();
    let run = site.run(&["decide", "--policies", ".", "allowed.json"]);
    assert!(run.stdout.contains("recorded as event 1"), "{}", run.stdout);
    assert!(site.path().join("home/.local/state/portcullis/decisions.ledger").is_file());
    assert_eq!(site.run(&["ledger", "verify"]).code, 0);
    assert_eq!(site.run(&["replay", "--all"]).code, 0);
}

#[test]
fn the_callers_id_for_a_change_is_shown_and_found() {
    let site = site();
    decide(&site, &["--correlation-id", "CHG-7", "allowed.json"]);
    decide(&site, &["--correlation-id", "CHG-8", "allowed.json"]);
    let list = on(&site, 0, &["ledger", "list"], &["--correlation-id", "CHG-7"]).stdout;
    assert!(list.contains("correlation id CHG-7") && list.contains("1 decision;"), "{list}");
    assert!(on(&site, 0, &["audit"], &["1"]).stdout.contains("correlation id CHG-7"));
}

#[test]
fn the_same_key_gets_the_same_decision() {
    let site = site();
    let first = decide(&site, &["--idempotency-key", "k", "allowed.json"]).json();
    let again = decide(&site, &["--idempotency-key", "k", "allowed.json"]).json();
    assert_eq!((&again["id"], again["recorded"]["earlier"].as_u64()), (&first["id"], Some(1)));
    let other = decide(&site, &["--idempotency-key", "k", "developer.json"]);
    assert_eq!((other.code, other.json()["error"]["code"].as_str()), (1, Some("portcullis.idempotency-conflict")));
}

#[test]
fn many_processes_share_a_ledger() {
    let site = site();
    let children: Vec<_> = (0..6)
        .map(|_| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
            command.args([
                "decide",
                "--policies",
                ".",
                "--ledger",
                LEDGER,
                "--format",
                "json",
                "allowed.json",
                "developer.json",
            ]);
            command.current_dir(site.path()).env_clear().env("HOME", site.path().join("home"));
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut ids = Vec::new();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(23), "{stdout}{stderr}");
        ids.extend(
            stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned()),
        );
    }
    ids.sort();
    let list = on(&site, 0, &["ledger", "list"], &["--format", "json"]).json();
    let mut listed: Vec<_> =
        list.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    listed.sort();
    assert_eq!((ids.len(), &listed), (12, &ids));
    on(&site, 0, &["ledger", "verify"], &[]);
    on(&site, 0, &["replay"], &["--all"]);
}
