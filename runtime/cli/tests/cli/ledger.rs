//! The ledger as its users see it: decided, listed, proved, replayed, audited, erased; and what comes of a damaged one.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::site::{Run, STAGE0, STAGE0_SET, Site};

const LEDGER: &str = "d.ledger";

fn site() -> Site {
    let site = Site::locked(STAGE0_SET);
    site.write("allowed.json", STAGE0);
    site.write("pending.json", STAGE0.replace("\"approval_status\": \"approved\"", "\"approval_status\": \"pending\""));
    site.write("developer.json", STAGE0.replace("\"actor_role\": \"platform_admin\"", "\"actor_role\": \"developer\""));
    site
}

fn decide(site: &Site, more: &[&str]) -> Run {
    site.run(&[&["decide", "--policies", ".", "--ledger", LEDGER, "--format", "json"], more].concat())
}

/// A site with three decisions, and their ids: allow, defer, deny.
fn decided() -> (Site, [String; 3]) {
    let site = site();
    let run = decide(&site, &["allowed.json", "pending.json", "developer.json"]);
    assert_eq!(run.code, 23, "{}{}", run.stdout, run.stderr);
    let lines = run.lines();
    let ids = [0, 1, 2].map(|n: usize| lines[n]["id"].as_str().unwrap().to_owned());
    assert_eq!([0, 1, 2].map(|n: usize| lines[n]["recorded"]["event"].as_u64()), [Some(1), Some(2), Some(3)]);
    (site, ids)
}

/// Runs a command on the ledger; its exit code must be that.
fn on(site: &Site, code: i32, command: &[&str], more: &[&str]) -> Run {
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

type Damage = Box<dyn Fn(&Site)>;

/// What may happen to a ledger's file.
fn damages() -> Vec<(&'static str, Damage)> {
    fn ledger(site: &Site) -> PathBuf {
        site.path().join(LEDGER)
    }
    vec![
        ("a text file", Box::new(|site| fs::write(ledger(site), "these are notes\n".repeat(500)).unwrap())),
        ("an empty file", Box::new(|site| fs::write(ledger(site), "").unwrap())),
        ("missing", Box::new(|site| fs::remove_file(ledger(site)).unwrap())),
        (
            "truncated",
            Box::new(|site| {
                let bytes = fs::read(ledger(site)).unwrap();
                fs::write(ledger(site), &bytes[..bytes.len() / 2]).unwrap();
            }),
        ),
        (
            "truncated within a page",
            Box::new(|site| {
                let bytes = fs::read(ledger(site)).unwrap();
                fs::write(ledger(site), &bytes[..5000]).unwrap();
            }),
        ),
        (
            "an old copy put back",
            Box::new(|site| {
                let old = fs::read(ledger(site)).unwrap();
                assert_eq!(decide(site, &["allowed.json"]).code, 0);
                fs::write(ledger(site), old).unwrap();
            }),
        ),
        (
            "another program's database",
            Box::new(|site| {
                fs::remove_file(ledger(site)).unwrap();
                let db = rusqlite::Connection::open(ledger(site)).unwrap();
                db.execute_batch("CREATE TABLE notes(text TEXT); INSERT INTO notes VALUES ('a')").unwrap();
            }),
        ),
        (
            "a newer format",
            Box::new(|site| {
                let db = rusqlite::Connection::open(ledger(site)).unwrap();
                db.execute_batch("PRAGMA user_version = 2").unwrap();
            }),
        ),
        (
            "another ledger",
            Box::new(|site| {
                let run = site.run(&["decide", "--policies", ".", "--ledger", "other.ledger", "allowed.json"]);
                assert_eq!(run.code, 0, "{}", run.stderr);
                fs::copy(site.path().join("other.ledger"), ledger(site)).unwrap();
            }),
        ),
        (
            "a folder",
            Box::new(|site| {
                fs::remove_file(ledger(site)).unwrap();
                fs::create_dir(ledger(site)).unwrap();
            }),
        ),
    ]
}

#[test]
fn a_damaged_ledger_is_named_and_nothing_proceeds() {
    for (what, damage) in damages() {
        let (site, [allow, ..]) = decided();
        damage(&site);
        let verify = site.run(&["ledger", "verify", LEDGER]);
        assert_eq!(verify.code, 4, "{what}: {}{}", verify.stdout, verify.stderr);
        assert!(verify.stdout.contains(LEDGER) && verify.stdout.lines().count() >= 2, "{what}: {}", verify.stdout);
        let json = site.run(&["ledger", "verify", LEDGER, "--format", "json"]);
        assert_eq!((json.code, json.json()["sound"].as_bool()), (4, Some(false)), "{what}");
        assert!(json.json()["problems"][0]["detail"].is_string(), "{what}");

        let run = decide(&site, &["allowed.json"]);
        assert_eq!(run.code, 1, "{what}: {}{}", run.stdout, run.stderr);
        assert!(run.stderr.contains(LEDGER), "{what}: {}", run.stderr);
        assert!(!run.stdout.contains("\"proceed\": true"), "{what}: {}", run.stdout);
        // No reading command is ended by a signal either; `run` looks at that.
        for command in [&["ledger", "list"][..], &["ledger", "show", &allow], &["replay", "--all"], &["audit", &allow]]
        {
            let run = site.run(&[command, &["--ledger", LEDGER]].concat());
            assert!([0, 1, 5].contains(&run.code), "{what}: {command:?} {}", run.code);
        }
    }
}

#[test]
fn a_flipped_byte_is_found() {
    let (site, _) = decided();
    let path = site.path().join(LEDGER);
    let bytes = fs::read(&path).unwrap();
    let step = bytes.len() / 48;
    for at in (0..bytes.len()).step_by(step) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&path, &flipped).unwrap();
        let run = site.run(&["ledger", "verify", LEDGER]);
        assert_eq!(run.code, 4, "byte {at} of {}: {}{}", bytes.len(), run.stdout, run.stderr);
    }
    fs::write(&path, &bytes).unwrap();
    assert_eq!(site.run(&["ledger", "verify", LEDGER]).code, 0);
}

#[test]
fn a_wrong_or_missing_key_opens_nothing() {
    let (site, _) = decided();
    let key = site.path().join("d.ledger.key");
    let away = site.path().join("away");
    fs::rename(&key, &away).unwrap();
    assert_eq!(site.run(&["decide", "--policies", ".", "--ledger", "other.ledger", "allowed.json"]).code, 0);
    fs::copy(site.path().join("other.ledger.key"), &key).unwrap();
    let run = decide(&site, &["allowed.json"]);
    assert_eq!(run.code, 1, "{}", run.stdout);
    assert!(run.stderr.contains("d.ledger.key"), "{}", run.stderr);
    fs::remove_file(&key).unwrap();
    let run = decide(&site, &["allowed.json"]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("signing key is missing"), "{}", run.stderr);
    // Whoever only reads needs no key.
    on(&site, 0, &["ledger", "verify"], &[]);
    on(&site, 0, &["replay"], &["--all"]);
    fs::rename(&away, &key).unwrap();
    assert_eq!(decide(&site, &["allowed.json"]).code, 0);
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

/// The disk is full at some write. Whatever was said to proceed is in the ledger. The policies are in the cache already:
/// otherwise their code would be the first that is not written.
#[test]
fn a_full_disk_stops_everything() {
    let mut unavailable = 0;
    for blocks in (16..400).step_by(24) {
        let (site, _) = decided();
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_portcullis"), "decide"]);
        command.args(["--policies", ".", "--ledger", LEDGER, "--format", "json", "allowed.json"]);
        command.current_dir(site.path()).env_clear().env("HOME", site.path().join("home"));
        let output = command.stdin(Stdio::null()).output().unwrap();
        let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        let code = output.status.code().unwrap_or_else(|| panic!("{blocks} blocks: a signal: {stderr}"));
        let decided: Option<Value> = serde_json::from_str(&stdout).ok();
        let list = on(&site, 0, &["ledger", "list"], &["--format", "json"]).json();
        match code {
            0 => assert_eq!(list[0]["id"], decided.unwrap()["id"]),
            1 => assert!(!stderr.is_empty() && decided.is_none_or(|json| json["proceed"] == false), "{stderr}"),
            23 => {
                let json = decided.unwrap();
                assert_eq!(json["findings"][0]["code"], "portcullis.ledger-unavailable", "{stdout}");
                assert!(json["recorded"]["failed"].is_string());
                unavailable += 1;
            }
            code => panic!("{blocks} blocks: exit {code}: {stdout}{stderr}"),
        }
        on(&site, 0, &["ledger", "verify"], &[]);
    }
    assert!(unavailable > 0, "no write of a decision failed");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let (site, _) = decided();
    let binary = site.path().join("portcullis");
    fs::copy(env!("CARGO_BIN_EXE_portcullis"), &binary).unwrap();
    fs::create_dir(site.path().join("closed")).unwrap();
    for entry in fs::read_dir(site.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with(LEDGER) {
            fs::copy(&path, site.path().join("closed").join(path.file_name().unwrap())).unwrap();
        }
    }
    let modes = "chmod -R a+rX . && chmod 755 . && chmod a+r closed/* && chmod 555 closed";
    assert!(Command::new("sh").args(["-c", modes]).current_dir(site.path()).status().unwrap().success());
    let as_nobody = |arguments: &[&str]| {
        // Whoever runs the tests as root may write everywhere, so nobody does.
        let mut command = if is_root() { Command::new("setpriv") } else { Command::new(&binary) };
        if is_root() {
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&binary);
        }
        command.args(arguments).current_dir(site.path()).env("HOME", "/nonexistent");
        for name in ["PORTCULLIS_LEDGER", "PORTCULLIS_LEDGER_KEY", "PORTCULLIS_CHECKPOINT"] {
            command.env_remove(name);
        }
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    for ledger in ["closed/new.ledger", "closed/d.ledger"] {
        let decide = ["decide", "--no-cache", "--policies", ".", "--ledger", ledger, "allowed.json"];
        let (code, stdout, stderr) = as_nobody(&decide);
        assert_eq!(code, Some(1), "{ledger}: {stdout}{stderr}");
        assert!(stderr.contains(ledger) && stderr.contains("ermission denied"), "{stderr}");
    }
    let (code, stdout, stderr) = as_nobody(&["ledger", "verify", "closed/d.ledger"]);
    assert_eq!(code, Some(0), "whoever may read may verify: {stdout}{stderr}");
    let (code, stdout, stderr) = as_nobody(&["ledger", "list", "--ledger", "closed/d.ledger"]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout == b"0\n"
}

#[test]
fn a_ledger_that_is_not_there_says_how_to_make_one() {
    let site = site();
    for command in [&["ledger", "list"][..], &["replay", "--all"], &["audit", "1"], &["ledger", "export", "--out", "x"]]
    {
        let run = on(&site, 1, command, &[]);
        assert!(run.stderr.contains("there is no ledger at d.ledger"), "{command:?}: {}", run.stderr);
    }
    assert!(!site.path().join(LEDGER).exists(), "reading makes no ledger");
    let run = site.run(&["ledger", "erase", "--reason", "operator", "--ledger", LEDGER, "1"]);
    assert_eq!(run.code, 1);
    assert!(!site.path().join(LEDGER).exists(), "erasing makes no ledger: {}", run.stderr);
    let run = site.run(&["decide", "--policies", ".", "--ledger", "no/such/folder/d.ledger", "allowed.json"]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("there is no folder no/such/folder"), "{}", run.stderr);
}
