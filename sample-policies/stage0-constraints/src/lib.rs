//! Decides a Stage0 check: every constraint string of the check becomes a condition on the evidence in its context.
//!
//! Evidence is what the check says; a value that is absent or of the wrong type is never read as zero, empty or
//! false. A constraint that this policy does not understand is a deny.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod approval;
mod check;
mod constraint;
mod evidence;
mod window;

use std::collections::BTreeMap;

use portcullis_policy::prelude::*;
use portcullis_policy::time::Time;

use check::Check;
use constraint::Constraint;
use window::Window;

/// How Stage0 checks are decided.
#[derive(Settings)]
pub struct Settings {
    /// Constraints that hold for every check, beside those that it declares: the same strings.
    #[setting(default, length = 0..=32)]
    always: Vec<String>,
    /// What a check without any constraint gets.
    #[setting(default = "defer")]
    unconstrained: Unconstrained,
    /// Tools that a check may name; empty: any. The tool in use must be among those that the check names, always.
    #[setting(default)]
    allowed_tools: Vec<String>,
    /// Side effects that a check may declare; empty: any.
    #[setting(default)]
    allowed_side_effects: Vec<String>,
    /// Values that `resource_scope` may have; empty: any, or none.
    #[setting(default)]
    allowed_scopes: Vec<String>,
    /// Whether a check with side effects must say its environment.
    #[setting(default = true)]
    require_environment: bool,
    /// How many minutes an approval counts after `approved_at`; absent: without end.
    approval_minutes: Option<u32>,
    /// Windows that `allowed_change_window` may name instead of spelling them out.
    #[setting(default = {"business_hours": "Mon-Fri 09:00-17:00 UTC"})]
    windows: BTreeMap<String, String>,
}

/// What a check without any constraint gets.
#[derive(Settings, Clone, Copy, PartialEq, Eq)]
pub enum Unconstrained {
    /// Not before it declares constraints.
    Defer,
    /// Never.
    Deny,
    /// Scope, approval and environment are checked; nothing else is.
    Allow,
}

/// The settings, checked at load.
pub struct Rules {
    settings: Settings,
    windows: Vec<(String, Window)>,
}

/// The fields of a check that are evidence for some constraint.
#[derive(Inputs)]
pub struct Inputs {
    #[input("/now")]
    now: Time,
    #[input("/context/stage0")]
    document: Value,
    #[input("/context/stage0/constraints")]
    constraints: Field<Vec<String>>,
    #[input("/context/stage0/tools")]
    tools: Field<Vec<String>>,
    #[input("/context/stage0/side_effects")]
    side_effects: Field<Vec<String>>,
    #[input("/context/stage0/context/actor_id")]
    actor_id: Value,
    #[input("/context/stage0/context/actor")]
    actor: Value,
    #[input("/context/stage0/context/actor_role")]
    actor_role: Value,
    #[input("/context/stage0/context/approval_status")]
    approval_status: Value,
    #[input("/context/stage0/context/approved_by")]
    approved_by: Value,
    #[input("/context/stage0/context/approved_at")]
    approved_at: Value,
    #[input("/context/stage0/context/environment")]
    environment: Value,
    #[input("/context/stage0/context/resource_scope")]
    resource_scope: Value,
    #[input("/context/stage0/context/current_iteration")]
    current_iteration: Value,
    #[input("/context/stage0/context/elapsed_seconds")]
    elapsed_seconds: Value,
    #[input("/context/stage0/context/cumulative_cost_usd")]
    cumulative_cost_usd: Value,
    #[input("/context/stage0/context/retry_count")]
    retry_count: Value,
    #[input("/context/stage0/context/record_count")]
    record_count: Value,
    #[input("/context/stage0/context/current_tool")]
    current_tool: Value,
    #[input("/context/stage0/context/recent_tools")]
    recent_tools: Field<Vec<String>>,
    #[input("/context/stage0/context/mfa_verified")]
    mfa_verified: Value,
    #[input("/context/stage0/context/rollback_plan")]
    rollback_plan: Value,
    #[input("/context/stage0/context/ticket_id")]
    ticket_id: Value,
    // The same facts as the gate sees them: `when` in the policy set matches on these.
    #[input("/subject/id")]
    subject_id: String,
    #[input("/subject/properties/role")]
    subject_role: Value,
    #[input("/context/environment")]
    request_environment: Value,
}

#[policy(
    name = "sample.stage0-constraints",
    summary = "Decides a Stage0 check by its constraint strings; one that it does not understand is a deny.",
    codes(
        HOLDS = "sample.stage0.constraints-hold": "Every constraint of the check holds.",
        NO_CONSTRAINTS = "sample.stage0.no-constraints": "The check declares no constraint.",
        MALFORMED_CHECK = "sample.stage0.malformed-check": "The check or one of its lists has the wrong shape.",
        UNKNOWN_CONSTRAINT = "sample.stage0.unknown-constraint": "A constraint that this policy does not know.",
        MALFORMED_CONSTRAINT = "sample.stage0.malformed-constraint": "A known constraint with an unreadable value.",
        TOO_MANY_CONSTRAINTS = "sample.stage0.too-many-constraints": "More constraints than this policy checks.",
        CONTRADICTION = "sample.stage0.contradiction": "The check and the request around it disagree.",
        EVIDENCE_MISSING = "sample.stage0.evidence-missing": "A constraint needs a value that the check lacks.",
        EVIDENCE_MALFORMED = "sample.stage0.evidence-malformed": "A constraint needs a value that has the wrong type.",
        APPROVAL_PENDING = "sample.stage0.approval-pending": "The approval is not given yet.",
        APPROVAL_REJECTED = "sample.stage0.approval-rejected": "The approval was refused.",
        APPROVAL_IN_FUTURE = "sample.stage0.approval-in-future": "The approval claims a time that has not come.",
        APPROVAL_EXPIRED = "sample.stage0.approval-expired": "The approval is older than the settings accept.",
        SELF_APPROVAL = "sample.stage0.self-approval": "The actor approved their own action.",
        ROLE_NOT_ALLOWED = "sample.stage0.role-not-allowed": "The actor does not hold a required role.",
        ENVIRONMENT_NOT_ALLOWED = "sample.stage0.environment-not-allowed": "The environment is not an allowed one.",
        TOOL_OUT_OF_SCOPE = "sample.stage0.tool-out-of-scope": "A tool beyond the scope of the check or the settings.",
        SIDE_EFFECT_OUT_OF_SCOPE = "sample.stage0.side-effect-out-of-scope": "A side effect beyond the settings.",
        RESOURCE_OUT_OF_SCOPE = "sample.stage0.resource-out-of-scope": "A resource scope beyond the settings.",
        TOO_MANY_ITERATIONS = "sample.stage0.too-many-iterations": "The run has passed its limit of iterations.",
        TIMED_OUT = "sample.stage0.timed-out": "The run has passed its time limit.",
        COST_LIMIT = "sample.stage0.cost-limit": "The run has passed its cost limit.",
        TOO_MANY_RETRIES = "sample.stage0.too-many-retries": "The run has passed its limit of retries.",
        TOO_MANY_RECORDS = "sample.stage0.too-many-records": "The action touches more records than its limit.",
        SAME_TOOL_LIMIT = "sample.stage0.same-tool-limit": "The same tool too many times in a row.",
        OUTSIDE_WINDOW = "sample.stage0.outside-change-window": "Outside the allowed change window.",
        MFA_NOT_VERIFIED = "sample.stage0.mfa-not-verified": "The actor has not passed a second factor.",
        NO_ROLLBACK_PLAN = "sample.stage0.no-rollback-plan": "The check says that there is no rollback plan.",
    )
)]
fn evaluate(rules: &Rules, input: &Inputs) -> Answer {
    if input.document == Value::Missing {
        return abstain();
    }
    Check::new(rules, input).decide()
}

impl Prepared for Rules {
    type Settings = Settings;

    fn prepare(settings: Settings) -> Result<Rules, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut windows = Vec::new();
        for (name, text) in &settings.windows {
            match Window::parse(text) {
                Some(window) => windows.push((constraint::key_of(name), window)),
                None => problems.push(Problem::new(
                    format!("/windows/{}", name.replace('~', "~0").replace('/', "~1")),
                    format!("{} is no window: write, for example, Mon-Fri 09:00-17:00 UTC", quote(text)),
                )),
            }
        }
        for (n, text) in settings.always.iter().enumerate() {
            if let Err(problem) = Constraint::parse(text, &windows) {
                problems.push(Problem::new(format!("/always/{n}"), problem.explain(text)));
            }
        }
        if problems.is_empty() { Ok(Rules { settings, windows }) } else { Err(problems) }
    }
}

#[cfg(test)]
mod tests {
    use super::Policy;

    #[test]
    fn cases() {
        portcullis_policy::test::cases::<Policy>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"));
    }
}
