use std::collections::BTreeMap;

use portcullis_policy::prelude::*;

/// What to evaluate, on what.
#[derive(Settings)]
#[settings(check = check)]
pub struct Settings {
    /// Rego text, by file name. The names are for messages.
    #[setting(length = 1..=64)]
    pub modules: BTreeMap<String, String>,
    /// The Rego of all modules.
    #[setting(default = "v1")]
    pub version: Version,
    /// What each rule means, by its path: `data.deploy.deny`. Without it: every rule named `deny`, `violation`, `warn` (or
    /// that and `_more`) or `allow`, of every package.
    pub rules: Option<BTreeMap<String, Meaning>>,
    /// `data` for the modules.
    #[setting(default = {}, schema = r#"{"type":"object"}"#)]
    pub data: Json,
    /// The request fields that become `input`: a place in `input` and where it comes from, both JSON pointers. Without it,
    /// `input` is the whole request.
    pub input: Option<BTreeMap<String, String>>,
    /// Members of `input` that are the same for each request, such as Gatekeeper's `parameters`. No request can replace them.
    #[setting(default = {}, schema = r#"{"type":"object"}"#)]
    pub fixed: Json,
    /// What a request gets to which no rule objects, and which none allows.
    #[setting(default = "allow")]
    pub otherwise: Otherwise,
    /// What it means where a built-in function cannot do its work: `to_number("x")`.
    #[setting(default = "fault")]
    pub builtin_errors: BuiltinErrors,
    /// An `input` to evaluate once at load, so that patterns and tables are ready for each decision.
    #[setting(default = {}, schema = r#"{"type":"object"}"#)]
    pub example: Json,
}

/// A dialect of Rego.
#[derive(Settings, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `if` and `contains` are keywords.
    V1,
    /// Before OPA 1.0.
    V0,
}

/// What a rule's value means.
#[derive(Settings, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meaning {
    /// Permission: `true` allows, anything else (`false`, undefined, an object) denies.
    Allow,
    /// Each of its messages is a warning.
    Warn,
    /// Each of its messages defers.
    Defer,
    /// Each of its messages asks the requester to take responsibility.
    Acknowledge,
    /// Each of its messages asks for an approval.
    Escalate,
    /// Each of its messages denies.
    Deny,
    /// Objects that say their outcome themselves; undefined denies.
    Decision,
}

/// What a request gets to which no rule has anything to say.
#[derive(Settings, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// Nothing stands in the way.
    Allow,
    /// The policy has nothing to say.
    Abstain,
    /// Stop.
    Deny,
}

/// What a built-in function's error means.
#[derive(Settings, Clone, Copy, PartialEq, Eq)]
pub enum BuiltinErrors {
    /// The policy cannot judge.
    Fault,
    /// The expression is undefined, as in OPA: a `deny` rule that depends on it says nothing.
    Undefined,
}

fn check(settings: &Settings, problems: &mut Vec<Problem>) {
    let objects = [("/data", &settings.data), ("/fixed", &settings.fixed), ("/example", &settings.example)];
    for (at, _) in objects.iter().filter(|(_, json)| json.as_object().is_none()) {
        problems.push(Problem::new(*at, "expected an object"));
    }
    if settings.rules.as_ref().is_some_and(BTreeMap::is_empty) {
        problems.push(Problem::new("/rules", "name a rule, or leave `rules` out"));
    }
    for (place, pointer) in settings.input.iter().flatten() {
        let at = format!("/input/{}", escaped(place));
        if [place, pointer].iter().any(|text| !text.is_empty() && !text.starts_with('/')) {
            problems.push(Problem::new(at, "both must be JSON pointers: empty, or starting with /"));
        } else if !place.is_empty() && settings.fixed.pointer(place).is_some() {
            problems.push(Problem::new(at, "`fixed` has that place already"));
        }
    }
    if settings.input.as_ref().is_some_and(BTreeMap::is_empty) && settings.fixed.as_object().is_none_or(<[_]>::is_empty)
    {
        problems.push(Problem::new("/input", "name a request field, or leave `input` out for the whole request"));
    }
}

/// A segment of a JSON pointer.
pub fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A text as the last segments of a code.
pub fn reason(text: &str) -> String {
    let is_dotted = text.split('.').all(|segment| !segment.is_empty());
    let plain = |character: char| match character.to_ascii_lowercase() {
        '.' if is_dotted => '.',
        plain @ ('a'..='z' | '0'..='9' | '-' | '_') => plain,
        _ => '-',
    };
    text.chars().map(plain).take(MAX_REASON).collect::<String>().trim_end_matches('.').to_owned()
}

/// With what codes start with, within the length of a code.
const MAX_REASON: usize = 100;
