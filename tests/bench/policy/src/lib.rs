//! The policy that the benchmarks compare: six declared inputs, settings bound at load, one finding with a message.
//! `peers/` holds the same policy in Rego, in Cedar and as an Extism plug-in.

use portcullis_policy::prelude::*;

/// Who may do what, where.
#[derive(Settings)]
struct Settings {
    /// Roles that may deploy.
    roles: Vec<String>,
    /// Environments that may be deployed to.
    environments: Vec<String>,
    /// Actions that are known.
    actions: Vec<String>,
}

#[derive(Inputs)]
struct Inputs {
    #[input("/subject/properties/role")]
    role: Option<String>,
    #[input("/action/name")]
    action: String,
    #[input("/resource/type")]
    kind: String,
    #[input("/resource/id")]
    id: String,
    #[input("/context/environment")]
    environment: Option<String>,
    #[input("/context/change/kind")]
    change: Option<String>,
}

#[policy(
    name = "bench.deploy",
    summary = "Only listed roles may deploy, and only to listed environments.",
    codes(
        OK = "bench.deploy.ok": "Everything is listed.",
        ROLE = "bench.deploy.role": "The role is not listed.",
        ENVIRONMENT = "bench.deploy.environment": "The environment is not listed.",
        ACTION = "bench.deploy.action": "The action is not listed.",
        MAJOR = "bench.deploy.major": "A major change needs approval.",
    )
)]
fn evaluate(settings: &Settings, input: &Inputs) -> Finding {
    let role = input.role.as_deref().unwrap_or("nobody");
    let environment = input.environment.as_deref().unwrap_or("nowhere");
    if !settings.environments.iter().any(|listed| listed == environment) {
        return deny(ENVIRONMENT, format!("{environment} is not an environment for {} {}", input.kind, input.id));
    }
    if !settings.actions.contains(&input.action) {
        return deny(ACTION, format!("{} is not an action on {} {}", input.action, input.kind, input.id));
    }
    if !settings.roles.iter().any(|listed| listed == role) {
        return deny(ROLE, format!("{role} may not {} {} to {environment}", input.action, input.id));
    }
    if input.change.as_deref() == Some("major") {
        return escalate(MAJOR, format!("{} of {} is a major change", input.action, input.id)).approve(["ops-lead"], 1);
    }
    allow(OK, format!("{role} may {} {} to {environment}", input.action, input.id))
}
