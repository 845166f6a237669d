use std::collections::BTreeMap;

use portcullis_policy::prelude::*;

/// What to evaluate, on what.
#[derive(Settings)]
#[settings(check = check)]
pub struct Settings {
    /// Cedar text, by file name. The names are for messages, and for policies without `@id`.
    #[setting(length = 1..=64)]
    pub policies: BTreeMap<String, String>,
    /// The schema: a text in Cedar's syntax, or an object in its JSON form. With it policies are validated strictly, and
    /// entities and requests must fit.
    #[setting(schema = r#"{"type":["string","object"]}"#)]
    pub schema: Option<Json>,
    /// Entities, in Cedar's JSON form.
    #[setting(default = [], schema = r#"{"type":"array","items":{"type":"object"}}"#)]
    pub entities: Json,
    /// Cedar's entity types, by the types of the request: `{"user": "Acme::User"}`. What is not named here is taken as it is.
    #[setting(default)]
    pub types: BTreeMap<String, String>,
    /// The entity type of actions.
    #[setting(default = "Action", length = 1..=256)]
    pub action_type: String,
    /// Who asks; without it, the subject.
    pub principal: Option<Source>,
    /// What it is about; without it, the resource.
    pub resource: Option<Source>,
    /// The members of Cedar's `context`: names, and where in the request each comes from. Without it, the request's whole
    /// `context`.
    pub context: Option<BTreeMap<String, String>>,
    /// Which policies' evaluation errors are a fault.
    #[setting(default = "any")]
    pub errors: Errors,
}

/// Where an entity comes from: JSON pointers into the request.
#[derive(Settings, Clone, Default)]
pub struct Source {
    /// Its type.
    #[setting(rename = "type")]
    pub kind: Option<String>,
    /// Its id.
    pub id: Option<String>,
    /// Its attributes: names, and where each comes from. Without it, all of its `properties`.
    pub attributes: Option<BTreeMap<String, String>>,
    /// Its parents: entity types, and where a list of ids (or one id) comes from.
    #[setting(default)]
    pub parents: BTreeMap<String, String>,
}

/// Which policies' evaluation errors are a fault. Cedar itself skips every policy that errs.
#[derive(Settings, Clone, Copy, PartialEq, Eq)]
pub enum Errors {
    /// Of any policy.
    Any,
    /// Of `forbid` policies. A `permit` that errs permits nothing.
    Forbid,
}

fn check(settings: &Settings, problems: &mut Vec<Problem>) {
    if !matches!(settings.entities, Json::Array(_)) {
        problems.push(Problem::new("/entities", "expected a list of entities"));
    }
    if !matches!(settings.schema, None | Some(Json::Text(_) | Json::Object(_))) {
        problems.push(Problem::new("/schema", "expected a text in Cedar's syntax, or an object"));
    }
    let mut pointer = |at: String, pointer: &str| {
        if !pointer.is_empty() && !pointer.starts_with('/') {
            problems.push(Problem::new(at, "expected a JSON pointer: empty, or starting with /"));
        }
    };
    for (name, from) in settings.context.iter().flatten() {
        pointer(format!("/context/{}", escaped(name)), from);
    }
    for (place, source) in [("/principal", &settings.principal), ("/resource", &settings.resource)] {
        let Some(source) = source else { continue };
        for (name, from) in [("type", &source.kind), ("id", &source.id)] {
            from.iter().for_each(|from| pointer(format!("{place}/{name}"), from));
        }
        for (name, from) in source.attributes.iter().flatten() {
            pointer(format!("{place}/attributes/{}", escaped(name)), from);
        }
        for (name, from) in &source.parents {
            pointer(format!("{place}/parents/{}", escaped(name)), from);
        }
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
