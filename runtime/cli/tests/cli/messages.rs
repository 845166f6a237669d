//! What the command says when something is wrong: what is wrong, where, and what mends it.

use std::process::{Command, Stdio};

use super::site::{Run, STAGE0, STAGE0_SET, Site};

/// Runs a command; its exit code must be that. Gives everything that it printed.
fn says(site: &Site, code: i32, arguments: &[&str]) -> String {
    let Run { code: found, stdout, stderr } = site.run(arguments);
    assert_eq!(found, code, "{arguments:?}: {stdout}{stderr}");
    stdout + &stderr
}

fn check(text: &str, has: &[&str], has_not: &[&str]) {
    for words in has {
        assert!(text.contains(words), "{words:?} is not in: {text}");
    }
    for words in has_not {
        assert!(!text.contains(words), "{words:?} is in: {text}");
    }
}

fn set() -> Site {
    let site = Site::locked(STAGE0_SET);
    site.write("check.json", STAGE0);
    site
}

#[test]
fn a_file_that_is_no_request_says_what_one_has() {
    let site = set();
    let decide = |file| says(&site, 1, &["decide", "--policies", ".", "--dry-run", file]);
    for empty in ["", "\n \n"] {
        site.write("empty.json", empty);
        check(&decide("empty.json"), &["the file is empty"], &["EOF"]);
    }
    let piped = site.run(&["decide", "--policies", ".", "--dry-run"]);
    check(&piped.stdout, &["standard input is empty"], &["EOF"]);
    site.write("other.json", "{\"x\": 1}");
    let members = ["`subject`, `action` and `resource`", "`goal`", "`format_version`", "`apiVersion`", "--from"];
    check(&decide("other.json"), &members, &[]);
}

#[test]
fn a_run_is_recorded_as_a_run_and_whoever_asks_is_asked_for() {
    let site = set();
    let decide = ["decide", "--policies", ".", "--dry-run", "check.json"];
    let text = says(&site, 0, &decide);
    check(&text, &["asked by run run_deploy_001", "does not say who asks", "--subject TYPE:ID"], &[]);
    let text = says(&site, 0, &[&decide[..], &["--subject", "user:alice"]].concat());
    check(&text, &["asked by user alice"], &["does not say who asks"]);
    site.write("named.json", STAGE0.replacen("\"run_id\"", "\"actor_id\": \"bob\", \"run_id\"", 1));
    check(
        &says(&site, 0, &["decide", "--policies", ".", "--dry-run", "named.json"]),
        &["asked by user bob"],
        &["--subject"],
    );
}

#[test]
fn what_is_no_policy_set_is_not_to_be_locked() {
    let site = Site::new();
    site.write("check.json", STAGE0);
    let text = says(&site, 1, &["decide", "--policies", "check.json", "--dry-run", "check.json"]);
    check(&text, &["check.json"], &["portcullis lock", "there is no lock"]);
}

#[test]
fn a_broken_lock_is_one_line() {
    let site = set();
    site.write("portcullis.lock", "nonsense = 1\n".repeat(30) + "x = \n[[policy]]\nmodul = 1\n");
    let text = says(&site, 1, &["decide", "--policies", ".", "--dry-run", "check.json"]);
    check(&text, &["portcullis.lock: the lock is broken", "`portcullis lock`"], &["did you mean", "more"]);
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn causes_are_told_once_and_name_the_file() {
    let site = set();
    let text = says(&site, 1, &["decide", "--policies", "nowhere", "--dry-run", "check.json"]);
    assert_eq!(text.matches("No such file").count(), 1, "{text}");
    site.write("bad.json", "{");
    let run = ["policy", "run", "stage0-constraints.wasm", "--no-cache", "--request"];
    check(&says(&site, 1, &[&run[..], &["bad.json"]].concat()), &["--request bad.json"], &[]);
}

#[test]
fn wrong_usage_shows_the_usage_of_its_command() {
    let site = set();
    let text = says(&site, 2, &["decide", "--policies", ".", "-", "-"]);
    check(&text, &["Usage: portcullis decide"], &["portcullis <COMMAND>"]);
    let text = says(&site, 2, &["policy", "new", "Foo_1", "--lang", "rust"]);
    check(&text, &["a-z 0-9 -", "at most 40", "Usage: portcullis policy new"], &[]);
    let text = says(&site, 2, &["policy", "readme", "."]);
    check(&text, &["--write", "--check"], &[]);
}

#[test]
fn keys_signatures_and_reviews_say_what_they_are() {
    let site = Site::new();
    site.add_module("stage0-constraints");
    let module = "stage0-constraints.wasm";
    for key in ["a.key", "b.key"] {
        says(&site, 0, &["policy", "keygen", "--out", key]);
    }
    let text = says(&site, 1, &["policy", "sign", module, "--key", "a.key.pub"]);
    check(&text, &["a.key.pub is a public key"], &["chmod"]);
    says(&site, 0, &["policy", "sign", module, "--key", "a.key"]);
    says(&site, 0, &["review", "approve", module, "--key", "b.key", "--reviewer", "bob", "--no-ledger"]);
    let text = says(&site, 0, &["policy", "verify", module, "--key", "a.key.pub"]);
    check(&text, &["✔ SIGNED", "a review, not counted here"], &["wrong key", "✖"]);
    let text = says(&site, 4, &["policy", "verify", module, "--key", "b.key.pub"]);
    check(&text, &["✖ NOT SIGNED", "a review, not counted here"], &[]);
}

#[test]
fn of_what_is_no_ledger_it_is_said_what_it_is() {
    let site = set();
    let list = |ledger| says(&site, 1, &["ledger", "list", "--ledger", ledger]);
    check(&list("mysql://u@db/x"), &["mysql://", "postgres://"], &["no folder", "u@db"]);
    check(&list("."), &["is a folder"], &["restore"]);
    let decide = ["decide", "--policies", ".", "--ledger", "d.ledger", "check.json"];
    says(&site, 0, &decide);
    std::fs::rename(site.path().join("d.ledger.key"), site.path().join("away.key")).unwrap();
    check(&says(&site, 1, &decide), &["d.ledger.key: the signing key", "--ledger-key"], &["--dry-run"]);
    says(&site, 0, &[&decide[..], &["--ledger-key", "away.key"]].concat());
}

#[test]
fn what_is_not_sound_is_told_in_words_and_with_the_key_that_was_expected() {
    let site = set();
    says(&site, 0, &["decide", "--policies", ".", "--ledger", "d.ledger", "check.json"]);
    says(&site, 0, &["decide", "--policies", ".", "--ledger", "other.ledger", "check.json"]);
    let text = says(&site, 0, &["ledger", "verify", "d.ledger"]);
    check(&text, &["the key that was expected: the one in d.ledger.key"], &[]);
    std::fs::write(site.path().join("other.vkey"), {
        let run = site.run(&["ledger", "checkpoint", "--key", "--ledger", "other.ledger"]);
        run.stdout
    })
    .unwrap();
    let text = says(&site, 4, &["ledger", "verify", "d.ledger", "--key", "other.vkey"]);
    check(&text, &["the one in other.vkey", "✖ the ledger's key: ", "(checkpoint)"], &["Checkpoint meta"]);
    let mut bytes = std::fs::read(site.path().join("d.ledger")).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    site.write("d.ledger", bytes);
    let text = says(&site, 4, &["ledger", "verify", "d.ledger"]);
    check(&text, &["NOT SOUND"], &["Page page", "Blob blob", "Totals {"]);
    site.write("empty.json", "");
    let text = says(&site, 4, &["receipt", "verify", "empty.json", "--key", "other.vkey"]);
    check(&text, &["NOT VALID", "the file is empty"], &["EOF"]);
}

/// A checkpoint that is still there is no proof that what it signed is.
#[test]
fn events_that_were_cut_off_do_not_continue_their_checkpoint() {
    let site = set();
    let decide = ["decide", "--policies", ".", "--ledger", "d.ledger", "check.json"];
    for _ in 0..2 {
        says(&site, 0, &decide);
    }
    let audit = ["audit", "1", "--verify", "--ledger", "d.ledger"];
    check(&says(&site, 0, &audit), &["✔ the ledger continues the checkpoint"], &["✖"]);
    let db = rusqlite::Connection::open(site.path().join("d.ledger")).unwrap();
    db.execute_batch("DELETE FROM events WHERE no = 2").unwrap();
    drop(db);
    check(&says(&site, 4, &audit), &["✖ the ledger continues the checkpoint"], &["✔ the ledger continues"]);
    let verified = says(&site, 4, &["ledger", "verify", "d.ledger"]);
    check(&verified, &["✖ the tables: they have ", "decisions in the index", "(gap)"], &["Totals {", "Gap the"]);
}

/// `.. | head` ends what lists; a decision that nobody could read is an error.
#[test]
fn a_reader_that_leaves_early_is_no_error_but_for_a_decision() {
    let site = set();
    says(&site, 0, &["decide", "--policies", ".", "--ledger", "d.ledger", "check.json"]);
    let into_nothing = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.args(arguments).current_dir(site.path()).env("HOME", site.path().join("home"));
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for silent in [&["completions", "bash"][..], &["ledger", "list", "--ledger", "d.ledger"]] {
        assert_eq!(into_nothing(silent), (Some(0), String::new()), "{silent:?}");
    }
    let (code, stderr) = into_nothing(&["decide", "--policies", ".", "--dry-run", "check.json"]);
    assert!(code == Some(1) && stderr.contains("standard output"), "{code:?}: {stderr}");
}
