use portcullis_policy::prelude::*;

/// The rules, and what holds beside them.
#[derive(Settings)]
#[settings(check = check)]
pub struct Settings {
    /// The rules. Those of higher priority come first; of equal priority, those written first.
    #[setting(length = 1..=256)]
    pub rules: Vec<Rule>,
    /// Whether every rule that matches speaks, or only the first.
    #[setting(default = "all")]
    pub mode: Mode,
    /// What a request gets that no rule matches.
    #[setting(default = "allow")]
    pub otherwise: Otherwise,
}

/// Which matching rules speak.
#[derive(Settings, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Every one; the strictest outcome counts.
    All,
    /// The first; a rule that waits for a field counts as one that matches.
    First,
}

/// What a request gets that no rule matches.
#[derive(Settings, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// Nothing stands in the way.
    Allow,
    /// The policy has nothing to say.
    Abstain,
    /// Stop.
    Deny,
}

/// One rule.
#[derive(Settings)]
pub struct Rule {
    /// `a-z 0-9 - _`. The code of the rule's findings is `sample.rules.` and this name, unless `code` says otherwise.
    #[setting(length = 1..=64)]
    pub name: String,
    /// Rules of higher priority come first.
    #[setting(default = 0)]
    pub priority: i64,
    /// When the rule matches: `{"field", "op", "value"}`, `{"all": [..]}`, `{"any": [..]}` or `{"not": ..}`.
    #[setting(
        schema = r##"{"type":"object","properties":{"field":{"description":"JSON pointer into the request.","type":"string"},"op":{"enum":["==","!=",">",">=","<","<=","in","not_in","contains","matches","exists"]},"value":{"description":"A string, number or boolean; a list of them for in and not_in; a pattern of * and ? for matches."},"all":{"type":"array","minItems":1,"items":{"type":"object"}},"any":{"type":"array","minItems":1,"items":{"type":"object"}},"not":{"type":"object"}},"additionalProperties":false}"##
    )]
    pub when: Json,
    /// What it decides then.
    pub outcome: Outcome,
    /// `team.policy.reason`
    #[setting(length = 5..=128)]
    pub code: Option<String>,
    /// For people.
    #[setting(length = 1..=2000)]
    pub message: String,
    /// What it takes to go on after all; one finding for each.
    #[setting(default, length = 0..=4)]
    pub requirements: Vec<Demand>,
    /// What the host must do if the request goes on.
    #[setting(default, length = 0..=8)]
    pub obligations: Vec<Obligation>,
    /// What it means where a field that decides whether the rule matches is missing, null or of the wrong type.
    #[setting(default = "defer")]
    pub missing: Missing,
}

/// What an undecided rule means.
#[derive(Settings, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The request must carry the field first.
    Defer,
    /// Stop.
    Deny,
    /// The rule is passed over.
    NoMatch,
}

/// What it takes to go on after all.
#[derive(Settings)]
pub enum Demand {
    /// The requester must accept this statement.
    Acknowledge(String),
    /// People must approve.
    Approve(Approval),
    /// The request must carry this field: a JSON pointer.
    Provide(String),
}

/// Whose approval.
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
    /// `notify`, `tag` ...: `a-z 0-9 - _ .`
    #[setting(length = 1..=64)]
    pub kind: String,
    /// Its parameters: strings, integers, `true` or `false`, by name.
    #[setting(default = {}, schema = r#"{"type":"object","additionalProperties":{"type":["string","integer","boolean"]}}"#)]
    pub params: Json,
}

/// Most obligations of one answer.
const MAX_OBLIGATIONS: usize = 32;
/// The last segments of the policy's own codes.
const RESERVED: [&str; 3] = ["no-rule-matches", "field-missing", "field-malformed"];

fn check(settings: &Settings, problems: &mut Vec<Problem>) {
    let mut names: Vec<&str> = RESERVED.to_vec();
    for (n, rule) in settings.rules.iter().enumerate() {
        let mut problem =
            |member: &str, message: &str| problems.push(Problem::new(format!("/rules/{n}/{member}"), message));
        if !rule.name.bytes().all(is_plain) {
            problem("name", "the name becomes part of a code: use a-z 0-9 - _");
        }
        if names.contains(&rule.name.as_str()) {
            problem("name", "this name is taken: choose another");
        }
        names.push(&rule.name);
        if rule.code.as_deref().is_some_and(|code| !is_code(code)) {
            problem(
                "code",
                "a code has three or more segments of a-z 0-9 - _, joined with dots, such as acme.cost.cap",
            );
        }
        if rule.obligations.iter().any(|one| !one.kind.bytes().all(|b| is_plain(b) || b == b'.')) {
            problem("obligations", "a kind is of a-z 0-9 - _ .");
        }
        let is_param = |value: &Json| matches!(value, Json::Text(_) | Json::Integer(_) | Json::Boolean(_));
        let params = rule.obligations.iter().map(|one| one.params.as_object());
        if !params.into_iter().all(|one| one.is_some_and(|members| members.iter().all(|(_, value)| is_param(value)))) {
            problem("obligations", "params is an object of strings, integers, true and false");
        }
    }
    if settings.rules.iter().map(|rule| rule.obligations.len()).sum::<usize>() > MAX_OBLIGATIONS {
        problems.push(Problem::new("/rules", format!("the rules have more than {MAX_OBLIGATIONS} obligations in all")));
    }
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_')
}

fn is_code(code: &str) -> bool {
    code.split('.').count() >= 3
        && code.split('.').all(|segment| !segment.is_empty() && segment.bytes().all(is_plain))
        && !["portcullis.", "fault.", "load."].iter().any(|reserved| code.starts_with(reserved))
}
