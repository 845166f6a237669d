use super::site::Site;

#[test]
fn wrong_usage_is_2() {
    let site = Site::new();
    for arguments in [
        vec![],
        vec!["decide"],
        vec!["decide", "--policies", ".", "--from", "yaml"],
        vec!["decide", "--policies", ".", "--subject", "alice"],
        vec!["decide", "--policies", ".", "--now", "noon"],
        vec!["decide", "--policies", ".", "--context", "ticket"],
        vec!["decide", "--policies", ".", "--jobs", "0"],
        vec!["decide", "--policies", ".", "-", "-"],
        vec!["decide", "--policies", ".", "--no-cache", "--cache-dir", "x"],
        vec!["inspect"],
        vec!["policy"],
        vec!["completions", "tcsh"],
        vec!["no-such-command"],
    ] {
        let run = site.run(&arguments);
        assert!(run.code == 2 && run.stdout.is_empty() && !run.stderr.is_empty(), "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn there_are_completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let run = Site::new().run(&["completions", shell]);
        assert!(run.code == 0 && run.stdout.contains("portcullis") && run.stdout.contains("policies"), "{shell}");
    }
}

#[test]
fn help_says_the_exit_codes() {
    let run = Site::new().run(&["--help"]);
    let words = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(run.code == 0 && words.contains("20 defer; 21 acknowledge; 22 escalate; 23 deny"), "{words}");
}
