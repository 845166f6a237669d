//! What is done once, at load: parse, validate, sort the policies.

use std::collections::BTreeMap;

use cedar_policy::{Effect, Entities, Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use miette::Diagnostic;
use portcullis_policy::prelude::*;

use crate::CODES;
use crate::settings::{Settings, escaped, reason};

/// The policies and what they are evaluated with.
pub struct Loaded {
    /// Every `permit`, and every `forbid` that denies: Cedar's decision is theirs.
    pub deciding: PolicySet,
    /// Every `forbid` with an `@outcome` below deny. Apart, because Cedar does not say whether a request that one of them
    /// forbids would have been permitted.
    pub milder: PolicySet,
    /// What each policy says where it counts.
    pub notes: BTreeMap<PolicyId, Note>,
    pub schema: Option<Schema>,
    pub entities: Entities,
}

/// What a policy says where it counts: its id and annotations.
pub struct Note {
    pub effect: Effect,
    pub finding: Finding,
}

/// # Errors
/// Everything that is wrong with policies, schema and entities.
pub fn load(settings: &Settings) -> Result<Loaded, Vec<Problem>> {
    let mut problems = Vec::new();
    let schema = schema(settings, &mut problems);
    let mut loaded = Loaded {
        deciding: PolicySet::new(),
        milder: PolicySet::new(),
        notes: BTreeMap::new(),
        schema: None,
        entities: Entities::empty(),
    };
    for (file, text) in &settings.policies {
        loaded.add_file(file, text, &mut problems);
    }
    if let Some(schema) = &schema {
        let validator = Validator::new(schema.clone());
        for set in [&loaded.deciding, &loaded.milder] {
            for error in validator.validate(set, ValidationMode::Strict).validation_errors() {
                let file = loaded.file_of(settings, error.policy_id());
                let text = settings.policies.get(file).map_or("", String::as_str);
                problems.push(Problem::new(format!("/policies/{}", escaped(file)), explained(file, text, error)));
            }
        }
    }
    match Entities::from_json_str(&settings.entities.to_string(), schema.as_ref()) {
        Ok(entities) => loaded.entities = entities,
        Err(error) => problems.push(Problem::new("/entities", chain(&error))),
    }
    loaded.schema = schema;
    if problems.is_empty() { Ok(loaded) } else { Err(problems) }
}

fn schema(settings: &Settings, problems: &mut Vec<Problem>) -> Option<Schema> {
    let schema = match settings.schema.as_ref()? {
        Json::Text(text) => Schema::from_cedarschema_str(text)
            .map(|(schema, _)| schema)
            .map_err(|error| explained("schema", text, &error)),
        other => Schema::from_json_str(&other.to_string()).map_err(|error| explained("schema", "", &error)),
    };
    schema.map_err(|error| problems.push(Problem::new("/schema", error))).ok()
}

impl Loaded {
    fn add_file(&mut self, file: &str, text: &str, problems: &mut Vec<Problem>) {
        let at = format!("/policies/{}", escaped(file));
        let set: PolicySet = match text.parse() {
            Ok(set) => set,
            Err(errors) => {
                let errors: cedar_policy::ParseErrors = errors;
                problems.extend(errors.iter().map(|error| Problem::new(&at, explained(file, text, error))));
                return;
            }
        };
        if let Some(template) = set.templates().next() {
            let message = format!("{file}: {} is a template (it has a ?slot): nothing here links it", template.id());
            problems.push(Problem::new(&at, message));
        }
        for policy in set.policies() {
            // Cedar numbers the policies of a text.
            let number = policy.id().to_string();
            let id = match policy.annotation("id") {
                Some(id) if !id.trim().is_empty() => id.to_owned(),
                _ => format!("{file}#{}", number.trim_start_matches("policy")),
            };
            let policy = policy.new_id(PolicyId::new(&id));
            match Note::read(&id, &policy) {
                Ok(note) => self.add(policy, note, file, &at, problems),
                Err(problem) => problems.push(Problem::new(&at, format!("{file}: {id}: {problem}"))),
            }
        }
    }

    fn add(&mut self, policy: Policy, note: Note, file: &str, at: &str, problems: &mut Vec<Problem>) {
        let id = policy.id().clone();
        if self.notes.contains_key(&id) {
            problems
                .push(Problem::new(at, format!("{file}: the id {id} is taken: give each policy an @id of its own")));
            return;
        }
        let milder = note.effect == Effect::Forbid && note.finding.outcome != Outcome::Deny;
        let set = if milder { &mut self.milder } else { &mut self.deciding };
        if let Err(error) = set.add(policy) {
            problems.push(Problem::new(at, format!("{file}: {}", chain(&error))));
        }
        self.notes.insert(id, note);
    }

    fn file_of<'a>(&self, settings: &'a Settings, id: &PolicyId) -> &'a str {
        let policy = self.deciding.policy(id).or_else(|| self.milder.policy(id));
        let text = policy.map(ToString::to_string).unwrap_or_default();
        let holds = |(_, whole): &(&String, &String)| whole.contains(text.trim());
        settings.policies.iter().find(holds).or(settings.policies.iter().next()).map_or("", |(file, _)| file)
    }
}

impl Note {
    fn read(id: &str, policy: &Policy) -> Result<Note, String> {
        let effect = policy.effect();
        let named = policy.annotation("id").is_some_and(|id| !id.trim().is_empty());
        let (outcome, word) = match effect {
            Effect::Permit => (Outcome::Allow, "permitted"),
            Effect::Forbid => (Outcome::Deny, "forbidden"),
        };
        let outcome = match policy.annotation("outcome") {
            None => outcome,
            Some(name) => match (effect, Outcome::from_name(name)) {
                (Effect::Permit, Some(given @ (Outcome::Allow | Outcome::Warn))) => given,
                (Effect::Forbid, Some(given)) if given != Outcome::Allow => given,
                _ => {
                    return Err(format!("@outcome({name:?}): a permit may allow or warn, a forbid anything but allow"));
                }
            },
        };
        let code = if named { format!("{CODES}.{}", reason(id)) } else { format!("{CODES}.{word}") };
        let message = policy.annotation("advice").filter(|text| !text.trim().is_empty());
        let message = message.map_or_else(|| format!("{word} by {id}"), str::to_owned);
        let mut finding = say(outcome, code, message);
        if let Some(roles) = policy.annotation("approve") {
            let roles: Vec<&str> = roles.split(',').map(str::trim).filter(|role| !role.is_empty()).collect();
            if roles.is_empty() {
                return Err("@approve names the roles, with commas between them".into());
            }
            finding = finding.approve(roles, 1);
        } else if let Some(statement) = policy.annotation("statement") {
            finding = finding.statement(statement);
        } else if let Some(pointer) = policy.annotation("provide") {
            finding = finding.provide(pointer);
        }
        if let Some(pointer) = policy.annotation("at") {
            finding = finding.at(pointer);
        }
        Ok(Note { effect, finding })
    }
}

/// An error on one line, with its position where it has one: `deploy.cedar:3:5: ..`.
fn explained(file: &str, text: &str, error: &dyn Diagnostic) -> String {
    let label = error.labels().and_then(|mut labels| labels.next());
    let place = label.as_ref().and_then(|label| position(text, label.offset()));
    let place = place.map_or_else(|| file.to_owned(), |(line, column)| format!("{file}:{line}:{column}"));
    let mut message = format!("{place}: {}", sources(error));
    if let Some(label) = label.as_ref().and_then(miette::LabeledSpan::label) {
        message = format!("{message}: {label}");
    }
    match error.help() {
        Some(help) => format!("{message} ({help})"),
        None => message,
    }
}

fn sources(error: &dyn Diagnostic) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        source = error.source();
    }
    message
}

/// An error with what caused it.
pub fn chain(error: &dyn Diagnostic) -> String {
    explained("", "", error).trim_start_matches(": ").to_owned()
}

/// Line and column, counted from 1; columns in characters.
fn position(text: &str, offset: usize) -> Option<(usize, usize)> {
    let before = text.get(..offset)?;
    let line = before.rsplit('\n').next()?;
    Some((before.matches('\n').count().saturating_add(1), line.chars().count().saturating_add(1)))
}
