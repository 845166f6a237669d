use portcullis_policy::prelude::*;

/// What a change may cost.
#[derive(Settings)]
#[settings(check = check)]
pub struct Settings {
    /// Types of resource whose changes this policy decides; it abstains on every other. Empty: all.
    #[setting(default = [])]
    pub resource_types: Vec<String>,
    /// JSON pointers to the costs, numbers of at least zero; they are added. All of them must be there.
    #[setting(default = ["/context/change/cost_usd"], length = 1..=32)]
    pub cost: Vec<String>,
    /// What costs more than this is denied.
    #[setting(range = 0..)]
    pub cap: f64,
    /// What must be approved below the cap, by whom.
    #[setting(default = [], length = 0..=16)]
    pub approvals: Vec<Approval>,
    /// For messages.
    #[setting(default = "USD", length = 1..=16)]
    pub currency: String,
    /// What a missing cost gets.
    #[setting(default = "defer")]
    pub missing: Missing,
}

/// An approval that it takes.
#[derive(Settings)]
pub struct Approval {
    /// What costs more than this must be approved.
    #[setting(range = 0..)]
    pub above: f64,
    /// Roles, any of which an approver must hold.
    #[setting(length = 1..=16)]
    pub roles: Vec<String>,
    /// How many different people.
    #[setting(default = 1, range = 1..=16)]
    pub count: u32,
}

/// What a missing cost gets. It never proceeds.
#[derive(Settings, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Not now.
    Defer,
    /// Stop.
    Deny,
}

impl NamesInputs for Settings {
    fn input_pointers(&self) -> Vec<String> {
        let mut pointers = vec!["/resource/type".to_owned()];
        pointers.extend(self.cost.iter().cloned());
        pointers
    }
}

fn check(settings: &Settings, problems: &mut Vec<Problem>) {
    for (n, pointer) in settings.cost.iter().enumerate() {
        if !pointer.starts_with('/') {
            let message =
                format!("{} is no JSON pointer: write, for example, /context/change/cost_usd", quote(pointer));
            problems.push(Problem::new(format!("/cost/{n}"), message));
        }
        if settings.cost.iter().take(n).any(|other| other == pointer) {
            problems.push(Problem::new(format!("/cost/{n}"), "this cost is there already: it would be added twice"));
        }
    }
    for (n, approval) in settings.approvals.iter().enumerate() {
        if approval.above >= settings.cap {
            let message = "what costs more than the cap is denied, so nobody would ever be asked: lower this threshold";
            problems.push(Problem::new(format!("/approvals/{n}/above"), message));
        }
    }
}
