//! What the command says of a ledger in PostgreSQL that it cannot reach, has no key for, or has to wait for.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::server::Server;
use super::site::{Run, STAGE0, STAGE0_SET, Site};

fn site() -> Site {
    let site = Site::locked(STAGE0_SET);
    site.write("check.json", STAGE0);
    site
}

fn ledger(server: &Server, database: &str) -> String {
    server.url().replace("/postgres?", &format!("/{database}?")) + "&schema=pc"
}

/// Runs a command with that home folder.
fn at(site: &Site, home: &Path, code: i32, arguments: &[&str]) -> Run {
    let run = site.run_with(arguments, "", &[("HOME", home)]);
    assert_eq!(run.code, code, "{arguments:?}: {}{}", run.stdout, run.stderr);
    run
}

fn psql(server: &Server, sql: &str) {
    let mut psql = Command::new("psql");
    psql.args([&server.url(), "-c", sql]).stdin(Stdio::null()).stdout(Stdio::null());
    assert!(psql.status().unwrap().success(), "{sql}");
}

/// The keys in a home folder's state.
fn keys(home: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(home.join(".local/state/portcullis")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        names.extend(name.strip_suffix(".key").filter(|name| name.starts_with("postgres-")).map(str::to_owned));
    }
    names.sort();
    names
}

#[test]
fn a_server_that_is_not_reached_is_no_sign_of_tampering() {
    let Some(server) = Server::start() else { return };
    let site = site();
    let (url, home) = (ledger(&server, "postgres"), site.path().join("home"));
    at(&site, &home, 0, &["decide", "--policies", ".", "--ledger", &url, "check.json"]);
    let role = url.replace("gate@", "nobody:s3cret@");
    let (database, option) = (ledger(&server, "nowhere"), format!("{url}&sslmod=x"));
    let check = |url: &str, says: &str| {
        for command in [
            &["ledger", "verify"][..],
            &["ledger", "list"],
            &["audit", "1"],
            &["decide", "--policies", ".", "check.json"],
            &["ledger", "erase", "--reason", "operator", "1"],
        ] {
            let Run { stdout, stderr, .. } = at(&site, &home, 1, &[command, &["--ledger", url]].concat());
            assert!(
                stdout.is_empty() && stderr.contains("PostgreSQL at /") && stderr.contains(says),
                "{stdout}{stderr}"
            );
            for wrong in ["NOT SOUND", "restore", "ledger verify", "s3cret", "signing key"] {
                assert!(!stderr.contains(wrong), "{wrong}: {stderr}");
            }
        }
    };
    check(&role, "role \"nobody\" does not exist");
    check(&database, "cannot reach");
    check(&database, "/nowhere: ");
    check(&option, "sslmod");
    psql(&server, "CREATE ROLE stranger LOGIN");
    check(&url.replace("gate@", "stranger@"), "permission denied");
    server.kill();
    check(&url, "cannot reach");
}

#[test]
fn ledgers_of_two_databases_do_not_share_a_key() {
    let Some(server) = Server::start() else { return };
    let site = site();
    let home = site.path().join("home");
    for database in ["postgres", "template1"] {
        let url = ledger(&server, database);
        at(&site, &home, 0, &["decide", "--policies", ".", "--ledger", &url, "check.json"]);
        at(&site, &home, 0, &["ledger", "verify", "--ledger", &url]);
    }
    let keys = keys(&home);
    assert!(keys.len() == 2 && keys[0].ends_with("-5432-postgres-pc"), "{keys:?}");
    assert!(keys[1].ends_with("-5432-template1-pc"), "{keys:?}");
}

#[test]
fn another_machine_is_told_what_it_lacks() {
    let Some(server) = Server::start() else { return };
    let site = site();
    let (first, second) = (site.path().join("home"), site.path().join("second"));
    let url = ledger(&server, "postgres");
    let decide = ["decide", "--policies", ".", "--ledger", &url, "check.json"];
    at(&site, &first, 0, &decide);
    let started = Instant::now();
    let run = at(&site, &second, 1, &decide);
    assert!(run.stderr.contains("signing key") && run.stderr.contains("--ledger-key"), "{}", run.stderr);
    assert!(started.elapsed() < Duration::from_secs(4), "it waits for nothing: {:?}", started.elapsed());

    let [name] = keys(&first).try_into().unwrap();
    let folder = |home: &Path| home.join(".local/state/portcullis");
    std::fs::create_dir_all(folder(&second)).unwrap();
    std::fs::copy(folder(&first).join(format!("{name}.key")), folder(&second).join(format!("{name}.key"))).unwrap();
    let verify = ["ledger", "verify", "--ledger", &url];
    let run = at(&site, &second, 0, &verify);
    assert!(run.stdout.contains("SOUND") && run.stderr.contains("no copy of the checkpoint yet"), "{}", run.stderr);
    at(&site, &second, 0, &decide);
    let run = at(&site, &second, 0, &verify);
    assert!(!run.stderr.contains("no copy"), "{}", run.stderr);
    // One that is named has to be there.
    at(&site, &second, 4, &[&verify[..], &["--checkpoint", "nowhere.checkpoint"]].concat());
}

#[test]
fn whoever_waits_for_a_lease_says_so() {
    let Some(server) = Server::start() else { return };
    let site = site();
    let home = site.path().join("home");
    let url = ledger(&server, "postgres");
    let decide = ["decide", "--policies", ".", "--ledger", &url, "check.json"];
    let run = at(&site, &home, 0, &decide);
    assert!(!run.stderr.contains("waiting"), "{}", run.stderr);
    // Somebody who is gone.
    let taken =
        "UPDATE pc.lease SET holder = 'gone', epoch = epoch + 1, ends = clock_timestamp() + interval '4 seconds'";
    psql(&server, taken);
    let run = at(&site, &home, 0, &decide);
    assert!(run.stderr.contains("note: waiting for the replica that holds the ledger's lease"), "{}", run.stderr);
}
