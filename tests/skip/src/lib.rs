//! A check that cannot be made on this machine: a test calls [`skip`] and returns.
//!
//! The skip is a line of `target/skipped.txt` (or of the file that `PORTCULLIS_SKIPPED` names), which `make test` prints at
//! its end, and one on the standard error, past the harness's capture. Where `PORTCULLIS_REQUIRE` asks for the tool, the test
//! fails instead. `PORTCULLIS_REQUIRE` is a list of tools, separated by commas: `all` is every tool, `-NAME` takes one
//! away. `tools/skip.sh` is the same for scripts.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

/// The tools without which a test fails.
pub const REQUIRE: &str = "PORTCULLIS_REQUIRE";
/// The file with a line for each check that was skipped: tool, test, and what was not checked, with tabs in between.
pub const SKIPPED: &str = "PORTCULLIS_SKIPPED";

/// Says that the calling test is not made, for want of a tool. `why` is what was not checked and how to get the tool.
///
/// # Panics
/// [`REQUIRE`] asks for the tool, or the line cannot be written.
#[track_caller]
#[expect(clippy::panic, clippy::expect_used, reason = "it is called by tests alone, and fails them")]
pub fn skip(tool: &str, why: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("?");
    let list = std::env::var(REQUIRE).unwrap_or_default();
    if required(&list, tool) {
        panic!("{REQUIRE}={list} asks for {tool}, which is not to be had: {why}");
    }
    let file = std::env::var_os(SKIPPED)
        .map_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/skipped.txt").into(), PathBuf::from);
    let line = format!("{tool}\t{test}\t{why}\n");
    // One write: others append to the same file.
    let written =
        OpenOptions::new().append(true).create(true).open(&file).and_then(|mut file| file.write_all(line.as_bytes()));
    written.expect("what is skipped can be written down");
    _ = std::io::stderr().write_all(format!("SKIPPED {test}: no {tool}: {why}\n").as_bytes());
}

/// Whether a list of tools asks for this one.
fn required(list: &str, tool: &str) -> bool {
    let names = || list.split(',').map(str::trim);
    let taken_away = names().any(|name| name.strip_prefix('-') == Some(tool));
    !taken_away && names().any(|name| name == "all" || name == tool)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::process::{Command, Output};

    use super::*;

    #[test]
    fn a_list_asks_for_tools() {
        for (list, tool, asks) in [
            ("", "strace", false),
            ("all", "strace", true),
            ("strace", "strace", true),
            ("go, strace", "strace", true),
            ("straces,strac", "strace", false),
            ("all,-strace", "strace", false),
            ("-strace,all", "strace", false),
            ("all,-strace", "go", true),
            ("-go", "strace", false),
        ] {
            assert_eq!(required(list, tool), asks, "{list:?} {tool}");
        }
    }

    #[test]
    #[ignore = "started by the test below"]
    fn is_not_made() {
        skip("no-such-tool", "nothing was checked");
    }

    /// As tests meet it: a process of its own, whose output is captured.
    #[test]
    fn a_skip_is_written_down_or_fails() {
        let file = std::env::temp_dir().join(format!("portcullis-skipped-{}", std::process::id()));
        let run = |list: &str| -> Output {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", "tests::is_not_made", "--ignored", "--test-threads=2"]);
            command.env(REQUIRE, list).env(SKIPPED, &file).output().unwrap()
        };
        for list in ["", "other", "all,-no-such-tool"] {
            _ = std::fs::remove_file(&file);
            let output = run(list);
            assert!(output.status.success(), "{list}: {output:?}");
            let line = "no-such-tool\ttests::is_not_made\tnothing was checked\n";
            assert_eq!(std::fs::read_to_string(&file).unwrap(), line, "{list}");
            assert!(String::from_utf8_lossy(&output.stderr).contains("SKIPPED"), "{list}: {output:?}");
        }
        _ = std::fs::remove_file(&file);
        for list in ["all", "other,no-such-tool"] {
            let output = run(list);
            assert!(!output.status.success(), "{list}: {output:?}");
            assert!(!file.exists(), "{list}");
        }
    }
}
