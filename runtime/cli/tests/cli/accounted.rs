//! Reports on all decisions are on all of them: the index by which they are found is compared with the log.

use super::site::{STAGE0, STAGE0_SET, Site};

const LEDGER: &str = "d.ledger";
const DECISIONS: usize = 5;

fn decided() -> Site {
    let site = Site::locked(STAGE0_SET);
    site.write("allowed.json", STAGE0);
    let files = ["allowed.json"; DECISIONS];
    let run = site.run(&[&["decide", "--policies", ".", "--ledger", LEDGER][..], &files].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
    site
}

fn change(site: &Site, sql: &str) {
    let db = rusqlite::Connection::open(site.path().join(LEDGER)).unwrap();
    db.execute_batch(sql).unwrap();
}

#[test]
fn what_the_index_of_decisions_lacks_or_invents_is_not_passed_over() {
    for (what, sql, says) in [
        ("two of them deleted", "DELETE FROM decisions WHERE no IN (2, 4)", "event 2 is a decision that the index"),
        ("the last deleted", "DELETE FROM decisions WHERE no = 5", "event 5 is a decision that the index"),
        ("all deleted", "DELETE FROM decisions", "event 1 is a decision that the index"),
        (
            "another outcome",
            "UPDATE decisions SET outcome = outcome + 1 WHERE no = 3",
            "event 3 is a decision of which",
        ),
    ] {
        let site = decided();
        change(&site, sql);
        for (code, command) in [
            (1, &["replay", "--all"][..]),
            (1, &["replay", "--all", "--record"]),
            (1, &["replay", "--all", "--since", "1d"]),
            (1, &["backtest", "--candidate", "."]),
            (4, &["ledger", "list"]),
        ] {
            let run = site.run(&[command, &["--ledger", LEDGER]].concat());
            assert_eq!(run.code, code, "{what}: {command:?}: {}{}", run.stdout, run.stderr);
            assert!(run.stderr.contains(says), "{what}: {command:?}: {}", run.stderr);
        }
        let events = site.run(&["ledger", "show", "6", "--ledger", LEDGER]);
        assert!(events.stderr.contains("no event 6"), "{what}: nothing was recorded: {}", events.stderr);
    }
}

#[test]
fn events_that_are_not_what_was_signed_are_not_replayed() {
    for (what, sql) in [
        ("an event deleted", "DELETE FROM decisions WHERE no = 3; DELETE FROM events WHERE no = 3"),
        ("the last one deleted", "DELETE FROM decisions WHERE no = 5; DELETE FROM events WHERE no = 5"),
        (
            "another kind",
            "DELETE FROM decisions WHERE no = 3; UPDATE events SET leaf = (SELECT leaf FROM events WHERE no = 0), id = zeroblob(16) WHERE no = 3",
        ),
    ] {
        let site = decided();
        change(&site, sql);
        let run = site.run(&["replay", "--all", "--ledger", LEDGER]);
        assert!(run.code == 1 && run.stdout.is_empty(), "{what}: {}{}", run.stdout, run.stderr);
        assert!(run.stderr.contains("portcullis ledger verify"), "{what}: {}", run.stderr);
    }
}

#[test]
fn what_is_whole_is_replayed_and_the_range_recorded() {
    let site = decided();
    let run = site.run(&["replay", "--all", "--record", "--ledger", LEDGER]);
    assert!(run.code == 0 && run.stdout.contains("5 of 5 identical"), "{}{}", run.stdout, run.stderr);
    // The list is compared where it reaches, and no further.
    change(&site, "DELETE FROM decisions WHERE no = 1");
    let list = |more: &[&str]| site.run(&[&["ledger", "list", "--ledger", LEDGER], more].concat()).code;
    assert_eq!((list(&["--limit", "2"]), list(&[]), list(&["--limit", "4"])), (0, 4, 0));
}
