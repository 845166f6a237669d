//! What gives no permission says so to machines too: decisions that hold no longer, and rehearsals.

use std::thread::sleep;
use std::time::Duration;

use super::site::{Run, STAGE0, STAGE0_SET, Site};

fn site(valid_for_seconds: u32) -> Site {
    let valid = format!("name = \"acme\"\nvalid-for-seconds = {valid_for_seconds}\n");
    let site = Site::locked(&STAGE0_SET.replacen("name = \"acme\"\n", &valid, 1));
    site.write("allowed.json", STAGE0);
    site
}

fn decide(site: &Site, format: &str, more: &[&str]) -> Run {
    let arguments = ["decide", "--policies", ".", "--ledger", "d.ledger", "--format", format, "allowed.json"];
    site.run(&[&arguments[..], more].concat())
}

#[test]
fn a_decision_whose_time_is_over_proceeds_in_no_format() {
    let site = site(1);
    let key = ["--idempotency-key", "k"];
    let first = decide(&site, "json", &key);
    let json = first.json();
    assert_eq!((first.code, json["proceed"].as_bool(), json["holds"].as_bool()), (0, Some(true), Some(true)));
    assert_eq!(json["rehearsal"].as_bool(), Some(false));
    sleep(Duration::from_millis(1500));
    let again = decide(&site, "json", &key);
    let json = again.json();
    assert_eq!((again.code, &json["id"], json["outcome"].as_str()), (1, &first.json()["id"], Some("allow")));
    assert_eq!((json["proceed"].as_bool(), json["holds"].as_bool()), (Some(false), Some(false)), "{}", again.stdout);
    for (format, says) in [
        ("junit", r#"errors="1""#),
        ("github", "::error file=allowed.json,title=HOLDS NO LONGER::"),
        ("human", "✖ HOLDS NO LONGER  this allow held until "),
    ] {
        let run = decide(&site, format, &key);
        assert!(run.code == 1 && run.stdout.contains(says), "{format}: {}", run.stdout);
        assert!(!run.stdout.contains("nothing stands in the way"), "{format}: {}", run.stdout);
    }
    // The record of it is what it was.
    let audit = site.run(&["audit", "1", "--ledger", "d.ledger", "--format", "json"]).json();
    assert_eq!((audit["decision"]["proceed"].as_bool(), audit["decision"].get("holds")), (Some(true), None));
}

#[test]
fn a_rehearsal_gives_no_permission_in_any_format() {
    let site = site(60);
    for more in
        [&["--dry-run"][..], &["--now", "2031-01-01T00:00:00Z"], &["--now", "2030-12-31T00:00:00Z", "--dry-run"]]
    {
        let json = decide(&site, "json", more);
        assert_eq!(json.code, 0, "as documented: {}", json.stderr);
        let json = json.json();
        let members = (json["proceed"].as_bool(), json["holds"].as_bool(), json["rehearsal"].as_bool());
        assert_eq!((members, json["recorded"].as_str()), ((Some(true), Some(false), Some(true)), Some("dry-run")));
        for (format, says) in [
            ("junit", "<skipped "),
            ("github", "::warning file=allowed.json,title=DRY RUN::"),
            ("human", "✖ DRY RUN  a rehearsal: it is not recorded and gives no permission"),
        ] {
            let run = decide(&site, format, more);
            assert!(run.code == 0 && run.stdout.contains(says), "{format}: {}", run.stdout);
        }
    }
    // A time of one's own is never recorded, whatever else is asked for.
    decide(&site, "json", &["--now", "2031-01-01T00:00:00Z", "--idempotency-key", "k"]);
    assert!(!site.path().join("d.ledger").exists());
}
