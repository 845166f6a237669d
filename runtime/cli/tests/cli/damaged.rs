//! What comes of a ledger that is damaged, foreign, missing, or cannot be written or opened.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::ledger::{LEDGER, decide, decided, on, site};
use super::site::Site;

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
