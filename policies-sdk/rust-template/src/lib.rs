//! Changes to protected environments need a ticket, and approval where the risk is high.

use portcullis_policy::prelude::*;

#[derive(Settings)]
struct Settings {
    /// Environments that need a ticket, by name.
    #[setting(length = 1..)]
    protected: Vec<String>,
    /// From this risk on, a release manager approves.
    #[setting(default = 70, range = 0..=100)]
    escalate_from: i64,
}

/// What the policy reads of a request. A field of another type is a fault.
#[derive(Inputs)]
struct Inputs {
    #[input("/action/name")]
    action: String,
    #[input("/context/environment")]
    environment: Option<String>,
    #[input("/context/change/ticket")]
    ticket: Option<String>,
    #[input("/context/change/risk")]
    risk: Option<i64>,
}

#[policy(
    name = "example.{{name}}",
    summary = "Changes to protected environments need a ticket, and approval where the risk is high.",
    codes(
        OPEN = "example.{{name}}.open": "The environment is not protected.",
        TICKETED = "example.{{name}}.ticketed": "There is a ticket, and the risk is not high.",
        TICKET_MISSING = "example.{{name}}.ticket-missing": "A protected environment, and no ticket.",
        ENVIRONMENT_MISSING = "example.{{name}}.environment-missing": "The request does not say which environment.",
        RISK_HIGH = "example.{{name}}.risk-high": "The risk needs approval.",
        RISK_UNKNOWN = "example.{{name}}.risk-unknown": "The request does not say how risky it is.",
    )
)]
fn evaluate(settings: &Settings, input: &Inputs) -> Answer {
    if input.action != "deploy" {
        return abstain();
    }
    let Some(environment) = input.environment.as_ref().filter(|name| !name.is_empty()) else {
        return deny(ENVIRONMENT_MISSING, "say which environment").provide("/context/environment").into();
    };
    if !settings.protected.contains(environment) {
        return allow(OPEN, format!("{environment} is not protected")).into();
    }
    let Some(ticket) = input.ticket.as_ref().filter(|ticket| !ticket.is_empty()) else {
        return deny(TICKET_MISSING, format!("{environment} is protected: name the ticket"))
            .at("/context/change/ticket")
            .provide("/context/change/ticket")
            .into();
    };
    let mut findings = vec![allow(TICKETED, format!("the ticket is {ticket}")).at("/context/change/ticket")];
    match input.risk {
        None => findings.push(warn(RISK_UNKNOWN, "say how risky the change is").provide("/context/change/risk")),
        Some(risk) if risk >= settings.escalate_from => {
            let from = settings.escalate_from;
            findings.push(
                escalate(RISK_HIGH, format!("the risk is {risk}, and from {from} on it needs approval"))
                    .at("/context/change/risk")
                    .approve(["release-manager"], 1)
                    .within_minutes(60),
            );
        }
        Some(_) => {}
    }
    Answer::findings(findings).oblige("notify", [("channel", "releases"), ("ticket", ticket.as_str())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_policy::test::Case;

    #[test]
    fn a_protected_environment_needs_a_ticket() {
        let case = Case::of::<Policy>()
            .settings(r#"{"protected": ["production"]}"#)
            .set("/action/name", "\"deploy\"")
            .context(r#"{"environment": "production", "change": {"risk": 10}}"#);
        assert_eq!(case.run().codes(), ["example.{{name}}.ticket-missing"]);
    }
}
