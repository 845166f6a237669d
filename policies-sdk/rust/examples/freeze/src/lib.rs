//! No deployments during a freeze, unless someone with the role for it approves: a policy with a reference document,
//! settings that are worked on once, an obligation and a log.

use portcullis_policy::prelude::*;
use portcullis_policy::time::Time;

/// Who may deploy during a freeze, and what comes of it.
#[derive(Settings)]
struct Settings {
    /// Roles whose holders may approve a deployment during a freeze.
    #[setting(length = 1..)]
    approvers: Vec<String>,
    /// Environments that a freeze holds for; `*` at the end stands for any rest.
    #[setting(default = ["production*"], length = 1..)]
    environments: Vec<String>,
    /// The channel to tell about a deployment during a freeze.
    channel: Option<String>,
}

/// The settings as `evaluate` wants them.
struct Prepared {
    approvers: Vec<String>,
    exact: Vec<String>,
    prefixes: Vec<String>,
    channel: Option<String>,
}

impl portcullis_policy::Prepared for Prepared {
    type Settings = Settings;

    fn prepare(settings: Settings) -> Result<Prepared, Vec<Problem>> {
        let (mut exact, mut prefixes, mut problems) = (Vec::new(), Vec::new(), Vec::new());
        for (n, name) in settings.environments.into_iter().enumerate() {
            match name.strip_suffix('*') {
                _ if name.trim_end_matches('*').contains('*') => {
                    problems.push(Problem::new(format!("/environments/{n}"), "* stands at the end only"));
                }
                Some(prefix) => prefixes.push(prefix.into()),
                None => exact.push(name),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Prepared { approvers: settings.approvers, exact, prefixes, channel: settings.channel })
    }
}

#[derive(Inputs)]
struct Inputs {
    #[input("/context/environment")]
    environment: Option<String>,
    #[input("/now")]
    now: Time,
}

/// One freeze of the document. Strict: a misspelt member must not go unnoticed.
#[derive(Settings)]
struct Freeze {
    from: Time,
    until: Time,
    why: String,
}

#[policy(
    name = "example.freeze",
    summary = "No deployments during a freeze without approval.",
    codes(
        OPEN = "example.freeze.open": "No freeze holds.",
        FROZEN = "example.freeze.frozen": "A freeze holds.",
    ),
    data(CALENDAR = "calendar": "The freezes: {\"freezes\": [{\"from\", \"until\", \"why\"}]}.")
)]
fn evaluate(settings: &Prepared, input: &Inputs) -> Result<Answer, String> {
    let Some(environment) = &input.environment else { return Ok(abstain()) };
    let concerned = settings.exact.contains(environment)
        || settings.prefixes.iter().any(|prefix| environment.starts_with(&**prefix));
    if !concerned {
        return Ok(abstain());
    }
    let freezes: Vec<Freeze> = CALENDAR.read("/freezes")?;
    log(format!("{} freezes", freezes.len()));
    let Some(freeze) = freezes.iter().find(|freeze| (freeze.from..freeze.until).contains(&input.now)) else {
        return Ok(allow(OPEN, "no freeze holds").into());
    };
    let finding = escalate(FROZEN, format!("frozen until {}: {}", freeze.until, quote(&freeze.why)))
        .at("/context/environment")
        .approve(&settings.approvers, 1)
        .within_minutes(60);
    Ok(match &settings.channel {
        Some(channel) => finding.oblige("notify", [("channel", channel)]),
        None => finding.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_policy::test::{Case, Fault};

    const CALENDAR: &str =
        r#"{"freezes": [{"from": "2026-03-14T00:00:00Z", "until": "2026-03-15T00:00:00Z", "why": "release"}]}"#;

    fn case(now: &str) -> Case {
        Case::of::<Policy>()
            .settings(r#"{"approvers": ["cab"], "channel": "ops"}"#)
            .context(r#"{"environment": "production-eu"}"#)
            .data("calendar", CALENDAR)
            .now(now)
    }

    #[test]
    fn a_freeze_needs_approval_from_its_first_instant_to_its_end() {
        for (now, outcome) in [
            ("2026-03-13T23:59:59.999Z", Outcome::Allow),
            ("2026-03-14T00:00:00Z", Outcome::Escalate),
            ("2026-03-14T23:59:59.999Z", Outcome::Escalate),
            ("2026-03-15T00:00:00Z", Outcome::Allow),
        ] {
            assert_eq!(case(now).run().outcome(), Some(outcome), "{now}");
        }
        assert_eq!(case("2026-03-14T12:00:00Z").run().obligations.len(), 1);
    }

    #[test]
    fn other_environments_are_none_of_its_business() {
        let answer = case("2026-03-14T12:00:00Z").context(r#"{"environment": "staging"}"#).run();
        assert_eq!(answer, abstain());
    }

    #[test]
    fn a_calendar_with_a_misspelt_member_is_a_fault() {
        let case =
            Case::of::<Policy>().settings(r#"{"approvers": ["cab"]}"#).context(r#"{"environment": "production"}"#);
        let fault = case.data("calendar", &CALENDAR.replace("why", "wy")).try_run();
        let Err(Fault::Error(detail)) = fault else { panic!("{fault:?}") };
        assert!(detail.starts_with("calendar: /freezes/0/wy is not known here"), "{detail}");
    }

    #[test]
    fn a_star_in_the_middle_is_a_problem() {
        let settings = r#"{"approvers": ["cab"], "environments": ["a*b"]}"#;
        let fault = Case::of::<Policy>().settings(settings).data("calendar", "{}").try_run();
        assert_eq!(fault, Err(Fault::Settings(vec![Problem::new("/environments/0", "* stands at the end only")])));
    }
}
