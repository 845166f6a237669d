use portcullis_policy::prelude::*;

/// How often things may be done.
#[derive(Settings)]
#[settings(check = check)]
pub struct Settings {
    /// The limits; each that concerns a request holds.
    #[setting(length = 1..=32)]
    pub limits: Vec<Limit>,
}

/// At most so many past decisions within so many minutes.
#[derive(Settings)]
pub struct Limit {
    /// The action that the limit concerns, and whose decisions count. Absent: every action, counted together.
    #[setting(length = 1..=1000)]
    pub action: Option<String>,
    /// Types of resource that the limit concerns. Empty: all.
    #[setting(default = ["service"])]
    pub resource_types: Vec<String>,
    /// Which decisions count: those about the request's own `resource`, about any resource of its `type`, or about
    /// `everything`.
    #[setting(default = "resource")]
    pub count: Scope,
    /// How many decisions the window may hold.
    #[setting(range = 1..=1000000)]
    pub at_most: u32,
    /// Length of the window, in minutes: 366 days at most.
    #[setting(range = 1..=527040)]
    pub per_minutes: u32,
    /// The outcomes of the decisions that count.
    #[setting(default = ["allow", "warn"], length = 1..=6)]
    pub outcomes: Vec<Outcome>,
    /// What comes of one more: `defer` until the oldest falls out of the window, `deny`, or `escalate` to `roles`.
    #[setting(default = "defer")]
    pub reached: Reached,
    /// With `escalate`: roles, any of which an approver must hold.
    #[setting(default, length = 0..=16)]
    pub roles: Vec<String>,
    /// With `escalate`: how many different people.
    #[setting(default = 1, range = 1..=16)]
    pub approvals: u32,
}

/// Which decisions count.
#[derive(Settings, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those about the request's resource.
    Resource,
    /// Those about any resource of its type.
    Type,
    /// All.
    Everything,
}

/// What comes of a request when the limit is used up.
#[derive(Settings, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// Not now.
    Defer,
    /// Stop.
    Deny,
    /// People must approve first.
    Escalate,
}

impl Limit {
    pub fn concerns(&self, action: &str, resource_type: &str) -> bool {
        let types = &self.resource_types;
        self.action.as_deref().is_none_or(|concerned| concerned == action)
            && (types.is_empty() || types.iter().any(|concerned| concerned == resource_type))
    }
}

fn check(settings: &Settings, problems: &mut Vec<Problem>) {
    for (n, limit) in settings.limits.iter().enumerate() {
        if (limit.reached == Reached::Escalate) == limit.roles.is_empty() {
            let message = "a limit names roles if it escalates, and only then";
            problems.push(Problem::new(format!("/limits/{n}/roles"), message));
        }
    }
}
