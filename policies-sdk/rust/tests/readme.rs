//! The policy that the project's README shows: it compiles, decides, and is what the README says.

// begin
use portcullis_policy::prelude::*;

#[derive(Inputs)]
struct Inputs {
    #[input("/context/environment")]
    environment: Option<String>,
}

#[policy(name = "acme.environment", summary = "Only staging may be deployed to.", codes(
    OK = "acme.environment.ok": "It is staging.",
    OTHER = "acme.environment.other": "It is another environment, or none.",
))]
fn evaluate(input: &Inputs) -> Finding {
    match input.environment.as_deref() {
        Some("staging") => allow(OK, "staging is open to everyone"),
        _ => deny(OTHER, "only staging may be deployed to").at("/context/environment"),
    }
}
// end

use portcullis_policy::test::Case;

#[test]
fn it_decides() {
    for (context, outcome) in [(r#"{"environment": "staging"}"#, Outcome::Allow), ("{}", Outcome::Deny)] {
        assert_eq!(Case::of::<Policy>().context(context).run().outcome(), Some(outcome));
    }
}

#[test]
fn the_readme_shows_it() {
    let own = include_str!("readme.rs");
    let shown = own.split("// begin\n").nth(1).and_then(|rest| rest.split("// end\n").next()).unwrap_or_default();
    assert!(shown.lines().count() < 20 && shown.contains("fn evaluate"));
    assert!(include_str!("../../../README.md").contains(shown), "the README's policy is another one");
}
