//! Which environments may be deployed to: a first policy.
//!
//! `portcullis policy build` makes a component of it, `cargo test` runs its tests natively.

use portcullis_policy::prelude::*;

/// Which environments may be deployed to.
#[derive(Settings)]
struct Settings {
    /// Environments, by name.
    #[setting(default = ["staging"], length = 1..)]
    allowed: Vec<String>,
}

#[derive(Inputs)]
struct Inputs {
    #[input("/context/environment")]
    environment: Option<String>,
}

#[policy(
    name = "example.environment",
    summary = "Only the listed environments may be deployed to.",
    codes(
        ALLOWED = "example.environment.allowed": "The environment is in the list.",
        NOT_ALLOWED = "example.environment.not-allowed": "The environment is not in the list.",
        UNKNOWN = "example.environment.unknown": "The request does not say which environment.",
    )
)]
fn evaluate(settings: &Settings, input: &Inputs) -> Finding {
    match &input.environment {
        Some(name) if settings.allowed.contains(name) => allow(ALLOWED, format!("{name} may be deployed to")),
        Some(name) => deny(NOT_ALLOWED, format!("{} may not be deployed to", quote(name))).at("/context/environment"),
        None => defer(UNKNOWN, "say which environment").provide("/context/environment"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_policy::test::{Case, Fault};

    #[test]
    fn a_listed_environment_goes_on() {
        let answer = Case::of::<Policy>().context(r#"{"environment": "staging"}"#).run();
        assert_eq!(answer.outcome(), Some(Outcome::Allow));
    }

    #[test]
    fn another_environment_is_refused() {
        let case = Case::of::<Policy>().settings(r#"{"allowed": ["dev"]}"#);
        let answer = case.context(r#"{"environment": "production"}"#).run();
        assert_eq!(answer.codes(), ["example.environment.not-allowed"]);
        assert_eq!(answer.as_findings()[0].at.as_deref(), Some("/context/environment"));
    }

    #[test]
    fn without_an_environment_it_asks_for_one() {
        let answer = Case::of::<Policy>().run();
        assert_eq!(answer.as_findings()[0].requirement, Some(Requirement::Provide("/context/environment".into())));
    }

    #[test]
    fn an_environment_that_is_no_string_is_a_fault() {
        let fault = Case::of::<Policy>().context(r#"{"environment": 3}"#).try_run();
        assert_eq!(fault, Err(Fault::Error("/context/environment must be a string, not an integer".into())));
    }

    #[test]
    fn settings_are_checked() {
        let fault = Case::of::<Policy>().settings(r#"{"allowed": [], "alowed": 1}"#).try_run();
        let Err(Fault::Settings(problems)) = fault else { panic!("{fault:?}") };
        let at: Vec<_> = problems.iter().map(|problem| &*problem.at).collect();
        assert_eq!(at, ["/alowed", "/allowed"]);
    }
}
