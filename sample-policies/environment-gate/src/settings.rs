use std::collections::BTreeMap;

use portcullis_policy::prelude::*;

/// Which changes this policy decides, and how.
#[derive(Settings)]
#[settings(check = check)]
pub struct Settings {
    /// Types of resource whose changes this policy decides; it abstains on every other.
    #[setting(default = ["service", "configuration", "job", "automation"])]
    pub resource_types: Vec<String>,
    /// The environments that exist, exactly as requests name them.
    #[setting(default = ["dev", "development", "test", "staging", "production"], length = 1..=64)]
    pub environments: Vec<String>,
    /// What a field gets that the matrix needs and the request lacks.
    #[setting(default = "defer")]
    pub missing: Stop,
    /// What an unknown environment, an unknown kind of change and a change without a row get.
    #[setting(default = "deny")]
    pub unknown: Stop,
    /// The rows, the first that fits decides. Absent: the matrix in `default-matrix.json`.
    #[setting(length = 1..=256)]
    pub matrix: Option<Vec<Row>>,
}

/// One row of the matrix.
#[derive(Settings)]
pub struct Row {
    /// `a-z 0-9 - _`. The code of the row's findings is `sample.environment-gate.` and this name.
    #[setting(length = 1..=64)]
    pub name: String,
    /// Environments; `*` is any known one.
    #[setting(length = 1..=64)]
    pub environment: Vec<String>,
    /// Kinds of change, as in /context/change/kind; `*` is any that some row names.
    #[setting(length = 1..=64)]
    pub change: Vec<String>,
    /// Names of actions; `*` is any.
    #[setting(default = ["*"], length = 1..=64)]
    pub action: Vec<String>,
    /// Further fields, by JSON pointer, each with the texts that fit. A field that is no text is a deny.
    #[setting(default, rename = "where")]
    pub fields: BTreeMap<String, Vec<String>>,
    /// Fields, by JSON pointer, that the request must carry before the row can decide.
    #[setting(default)]
    pub needs: Vec<String>,
    /// What the row decides.
    pub outcome: Outcome,
    /// For people.
    #[setting(length = 1..=1000)]
    pub message: String,
    /// With `escalate`: the approvals that it takes, each of them.
    #[setting(default, length = 0..=16)]
    pub approvals: Vec<Approval>,
    /// With `acknowledge`: what the requester must accept.
    #[setting(length = 1..=1000)]
    pub statement: Option<String>,
    /// What the host must do if the change goes on.
    #[setting(default, length = 0..=16)]
    pub obligations: Vec<Obligation>,
}

/// An approval that a row asks for.
#[derive(Settings)]
pub struct Approval {
    /// Roles, any of which an approver must hold.
    #[setting(length = 1..=16)]
    pub roles: Vec<String>,
    /// How many different people.
    #[setting(default = 1, range = 1..=16)]
    pub count: u32,
    /// How many minutes the request for approval stays open.
    #[setting(range = 1..)]
    pub within_minutes: Option<u32>,
}

/// Something that the host must do.
#[derive(Settings)]
pub struct Obligation {
    /// `notify`, `review` ...: `a-z 0-9 - _ .`
    #[setting(length = 1..=64)]
    pub kind: String,
    /// Its parameters.
    #[setting(default)]
    pub params: BTreeMap<String, String>,
}

/// What something gets that no row can decide. It never proceeds.
#[derive(Settings, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Not now.
    Defer,
    /// Stop.
    Deny,
}

/// The last segments of the policy's own codes.
const RESERVED: [&str; 5] = ["field-missing", "field-malformed", "environment-unknown", "change-unknown", "no-row"];

fn check(settings: &Settings, problems: &mut Vec<Problem>) {
    let mut names: Vec<&str> = RESERVED.to_vec();
    for (n, row) in settings.matrix.iter().flatten().enumerate() {
        check_row(row, settings, n, problems);
        if names.contains(&row.name.as_str()) {
            problems.push(Problem::new(format!("/matrix/{n}/name"), "this name is taken: choose another"));
        }
        names.push(&row.name);
    }
}

fn check_row(row: &Row, settings: &Settings, n: usize, problems: &mut Vec<Problem>) {
    let mut problem = |member: &str, message: String| {
        problems.push(Problem::new(format!("/matrix/{n}/{member}"), message));
    };
    if !row.name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_')) {
        problem("name", "the name becomes part of a code: use a-z 0-9 - _".to_owned());
    }
    for name in &row.environment {
        if name != "*" && !settings.environments.contains(name) {
            problem("environment", format!("{name} is not among the settings' environments"));
        }
    }
    for pointer in row.fields.keys().chain(&row.needs) {
        if !pointer.starts_with('/') {
            problem("where", format!("{pointer} is no JSON pointer: write, for example, /context/change/risk"));
        }
    }
    if (row.outcome == Outcome::Escalate) == row.approvals.is_empty() {
        problem("approvals", "a row names approvals if it escalates, and only then".to_owned());
    }
    if (row.outcome == Outcome::Acknowledge) != row.statement.is_some() {
        problem("statement", "a row has a statement if it acknowledges, and only then".to_owned());
    }
    for obligation in &row.obligations {
        let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
        if !obligation.kind.bytes().all(plain) {
            problem("obligations", format!("the kind {} is not of a-z 0-9 - _ .", obligation.kind));
        }
    }
}
