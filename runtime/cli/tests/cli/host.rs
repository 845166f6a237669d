//! What the machine does to the command: a full disk, an environment, a slow pipe. None of it is a policy's verdict.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::site::{Run, STAGE0, STAGE0_SET, Site};

const LEDGER: &str = "d.ledger";

fn site() -> Site {
    let site = Site::locked(STAGE0_SET);
    site.write("allowed.json", STAGE0);
    site.write("developer.json", STAGE0.replace("\"actor_role\": \"platform_admin\"", "\"actor_role\": \"developer\""));
    site
}

/// Runs a line of a shell in the site's folder; `$P` is the command.
fn shell(site: &Site, before: &[&str], line: &str) -> Run {
    let words = [before, &["sh", "-c", line]].concat();
    let output = Command::new(words[0])
        .args(&words[1..])
        .current_dir(site.path())
        .env("HOME", site.path().join("home"))
        .env("P", env!("CARGO_BIN_EXE_portcullis"))
        .output()
        .unwrap();
    Run {
        code: output.status.code().expect("it was not ended by a signal"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Compiled code that cannot be kept is used all the same.
#[test]
fn a_full_disk_for_the_cache_denies_nothing() {
    let site = site();
    fs::create_dir(site.path().join("cache")).unwrap();
    let own_mounts = ["unshare", "--mount", "--map-root-user"];
    let full = "mount -t tmpfs -o size=64k none cache";
    if shell(&site, &own_mounts, full).code != 0 {
        portcullis_skip::skip("mounts", "a full disk for the cache: this user may not mount a disk of its own");
        return;
    }
    let decide = "$P decide --policies . --cache-dir cache --ledger d.ledger --format json allowed.json";
    let run = shell(&site, &own_mounts, &format!("{full} && {decide}; code=$?; ls -A cache >&2; exit $code"));
    assert_eq!((run.code, run.json()["outcome"].as_str()), (0, Some("allow")), "{}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains("are not kept") && run.stderr.contains("No space left"), "{}", run.stderr);
    assert!(!run.stderr.contains(".compiling-"), "a draft is left: {}", run.stderr);
    for command in [&["replay", "--all"][..], &["audit", "1", "--verify"]] {
        let run = site.run(&[command, &["--ledger", LEDGER]].concat());
        assert_eq!(run.code, 0, "{command:?}: {}{}", run.stdout, run.stderr);
    }
    // What has room is kept, and nothing is said.
    let run = site.run(&["decide", "--policies", ".", "--cache-dir", "cache", "--ledger", LEDGER, "allowed.json"]);
    assert!(run.code == 0 && !run.stderr.contains("kept"), "{}", run.stderr);
}

/// The compiler may write less than the code takes: what comes of that says nothing of the module.
#[test]
fn a_recorded_failure_of_the_host_cannot_be_repeated_and_is_no_difference() {
    let site = site();
    let decide = "$P decide --policies . --no-cache --ledger d.ledger --format json allowed.json";
    // In blocks of 512 bytes: more than the ledger's files grow to, and less than the code takes.
    let run = shell(&site, &[], &format!("ulimit -f 500; {decide}"));
    let json = run.json();
    assert_eq!((run.code, json["outcome"].as_str()), (23, Some("deny")), "{}{}", run.stdout, run.stderr);
    assert_eq!(json["policies"][0]["fault"]["code"], "load.compile-limit", "{json}");
    assert_eq!(site.run(&["decide", "--policies", ".", "--ledger", LEDGER, "developer.json"]).code, 23);

    let on = |command: &[&str]| site.run(&[command, &["--ledger", LEDGER]].concat());
    let replay = on(&["replay", "--all"]);
    assert_eq!(replay.code, 0, "{}", replay.stdout);
    assert!(replay.stdout.contains("cannot be repeated: host failure"), "{}", replay.stdout);
    assert!(replay.stdout.contains("1 of 2 identical, 1 cannot be repeated"), "{}", replay.stdout);
    let json = on(&["replay", "--all", "--format", "json"]).json();
    let counts = ["replayed", "identical", "erased", "not_repeatable", "different"].map(|count| json[count].as_u64());
    assert_eq!(counts, [2, 1, 0, 1, 0].map(Some), "{json}");
    assert_eq!(json["decisions"][0]["result"], "host-failure", "{json}");
    let audit = on(&["audit", "1", "--verify"]);
    assert!(audit.code == 0 && audit.stdout.contains("it cannot be made again here"), "{}", audit.stdout);

    // The same set is not more lenient than itself; of the one decision nothing is known.
    let backtest = on(&["backtest", "--candidate", ".", "--format", "json"]);
    let json = backtest.json();
    assert_eq!(
        (backtest.code, json["host_failed"].as_u64(), json["decided"].as_u64()),
        (0, Some(1), Some(1)),
        "{json}"
    );
}

/// What fails only when it is replayed says nothing of the record, so nothing was shown.
#[test]
fn a_failure_of_the_host_during_a_replay_is_no_success() {
    let site = site();
    assert_eq!(site.run(&["decide", "--policies", ".", "--ledger", LEDGER, "allowed.json"]).code, 0);
    let run = shell(&site, &[], "ulimit -f 500; $P replay --all --no-cache --ledger d.ledger");
    assert_eq!(run.code, 5, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("host failure"), "{}", run.stdout);
}

/// The largest requests there may be: a ledger of them takes no more memory than a few of them.
#[test]
fn verifying_takes_the_memory_of_a_few_requests() {
    const REQUESTS: usize = 16;
    let site = site();
    let pad = "r".repeat(30_000_000);
    site.write("large.json", STAGE0.replacen('{', &format!("{{\"pad\": \"{pad}\", "), 1));
    let run =
        shell(&site, &[], &format!("$P decide --policies . --ledger {LEDGER} {}", "large.json ".repeat(REQUESTS)));
    // The policy has not the memory for one, which is recorded like anything else.
    assert_eq!(run.code, 23, "{}{}", run.stdout, run.stderr);
    let bytes = fs::metadata(site.path().join(LEDGER)).unwrap().len();
    assert!(bytes > 30_000_000 * REQUESTS as u64, "{bytes}");
    // In KiB: all of them at once do not fit.
    let run = shell(&site, &[], &format!("ulimit -d 250000; $P ledger verify {LEDGER}"));
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
}

#[test]
fn a_ledger_in_the_environment_gives_way_to_one_that_is_named() {
    let site = site();
    let decide = ["decide", "--policies", ".", "allowed.json"];
    let named = Path::new("named.ledger");
    let with = |value: &Path, command: &[&str]| site.run_with(command, "", &[("PORTCULLIS_LEDGER", value)]);
    assert_eq!(with(named, &decide).code, 0);
    assert!(site.path().join(named).is_file(), "the variable is read");
    assert_eq!(site.run(&["decide", "--policies", ".", "--ledger", LEDGER, "allowed.json"]).code, 0);

    let verified = with(Path::new("nowhere.ledger"), &["ledger", "verify", LEDGER]);
    assert!(verified.code == 0 && verified.stdout.contains(LEDGER), "{}{}", verified.stdout, verified.stderr);
    let listed = with(named, &["review", "list", "stage0-constraints.wasm"]);
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    assert_eq!(site.run(&["policy", "keygen", "--out", "k"]).code, 0);
    let approve = ["review", "approve", "stage0-constraints.wasm", "--key", "k", "--reviewer", "alice", "--no-ledger"];
    assert_eq!(with(named, &approve).code, 0);
    // Both on the command line contradict each other still.
    assert_eq!(site.run(&["ledger", "verify", LEDGER, "--ledger", "named.ledger"]).code, 2);
}

#[test]
fn an_empty_variable_is_one_that_is_not_set() {
    let site = site();
    let none = Path::new("");
    for variable in [
        "PORTCULLIS_LEDGER",
        "PORTCULLIS_LEDGER_KEY",
        "PORTCULLIS_CHECKPOINT",
        "PORTCULLIS_CACHE",
        "PORTCULLIS_MODULES",
    ] {
        let run = site.run_with(&["decide", "--policies", ".", "allowed.json"], "", &[(variable, none)]);
        assert_eq!(run.code, 0, "{variable}: {}", run.stderr);
    }
    assert!(site.path().join("home/.local/state/portcullis/decisions.ledger").is_file());
    let run = site.run_with(&["decide", "allowed.json"], "", &[("PORTCULLIS_POLICIES", none)]);
    assert!(run.code == 2 && run.stderr.contains("--policies"), "{}", run.stderr);
}

/// Whoever feeds a command slowly does not hold up the others.
#[test]
fn nobody_waits_for_anothers_standard_input() {
    let site = site();
    let decide = |site: &Site, file: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.args(["decide", "--policies", ".", "--ledger", LEDGER, file]).current_dir(site.path());
        command.env_clear().env("HOME", site.path().join("home"));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    assert_eq!(decide(&site, "allowed.json").wait().unwrap().code(), Some(0));
    let mut slow = decide(&site, "-");
    // Time enough to open the ledger, had it not waited for its input before.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let started = std::time::Instant::now();
    assert_eq!(decide(&site, "allowed.json").wait().unwrap().code(), Some(0));
    assert!(started.elapsed() < std::time::Duration::from_secs(15), "{:?}", started.elapsed());
    slow.stdin.take().unwrap().write_all(STAGE0.as_bytes()).unwrap();
    assert_eq!(slow.wait().unwrap().code(), Some(0));
    assert_eq!(site.run(&["ledger", "list", "--ledger", LEDGER]).stdout.matches("✔ allow").count(), 3);
}

#[test]
fn whoever_has_the_lock_is_named() {
    let site = site();
    assert_eq!(site.run(&["decide", "--policies", ".", "--ledger", LEDGER, "allowed.json"]).code, 0);
    let lock = fs::OpenOptions::new().write(true).open(site.path().join("d.ledger.lock")).unwrap();
    lock.lock().unwrap();
    let run = site.run(&["decide", "--policies", ".", "--ledger", LEDGER, "allowed.json"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stderr.contains(&format!("the process {} (", std::process::id())), "{}", run.stderr);
    assert!(run.stderr.contains("20 s were not enough"), "{}", run.stderr);
}

#[test]
fn one_key_stands_for_one_request() {
    let site = site();
    let decide = ["decide", "--policies", ".", "--ledger", LEDGER, "--idempotency-key", "k"];
    let run = site.run(&[&decide[..], &["allowed.json", "developer.json"]].concat());
    assert!(run.code == 2 && run.stderr.contains("--idempotency-key"), "{}", run.stderr);
    assert!(!site.path().join(LEDGER).exists(), "nothing is recorded");
    assert_eq!(site.run(&[&decide[..], &["allowed.json"]].concat()).code, 0);
}

/// Requests are going to be in it.
#[test]
fn an_empty_file_that_becomes_a_ledger_is_kept_from_others() {
    let site = site();
    let ledger = site.path().join(LEDGER);
    site.write(LEDGER, "");
    fs::set_permissions(&ledger, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(site.run(&["decide", "--policies", ".", "--ledger", LEDGER, "allowed.json"]).code, 0);
    assert_eq!(fs::metadata(&ledger).unwrap().permissions().mode() & 0o777, 0o600);
}
