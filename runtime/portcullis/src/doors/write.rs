//! Writing a native request around the checked text of a payload.

use portcullis_gate::{Document, MAX_DEPTH};
use serde_json::{Value, json};

use super::read::Payload;
use super::{DoorError, DoorOptions, Kind, Opened};

/// A native request in the making. Absent properties are left out.
pub(super) struct Native<'a> {
    pub(super) subject: (&'a str, &'a str),
    pub(super) subject_properties: Vec<(&'static str, Value)>,
    pub(super) action: &'a str,
    pub(super) action_properties: Vec<(&'static str, Value)>,
    pub(super) resource: (&'static str, &'a str),
    pub(super) resource_properties: Vec<(&'static str, Value)>,
    pub(super) environment: Option<&'a str>,
    /// The member of `/context` that holds the payload, and the payload's JSON text.
    pub(super) payload: (&'static str, &'a str),
}

impl Native<'_> {
    /// Writes the request: the payload's text is copied, not written anew.
    pub(super) fn write(&self, from: &Payload<'_>, kind: Kind, options: &DoorOptions) -> Result<Opened, DoorError> {
        let (member, payload) = self.payload;
        let mut context = vec![];
        if let Some(environment) = self.environment {
            context.push(("environment", json!(environment).to_string()));
        }
        for (name, value) in &options.context {
            if name == "environment" || name == member {
                return Err(DoorError::Option {
                    message: format!("the context member {name:?} is the door's own; choose another name"),
                });
            }
            check_depth(name, value.text(), from)?;
            context.push((name, value.text().to_owned()));
        }
        check_depth(member, payload, from)?;

        let mut out = String::with_capacity(payload.len().saturating_add(1024));
        out.push_str("{\"subject\":");
        let (subject_type, subject_id) = self.subject;
        let subject = json!({"type": subject_type, "id": subject_id});
        push_entity(&mut out, subject, &self.subject_properties);
        out.push_str(",\"action\":");
        push_entity(&mut out, json!({"name": self.action}), &self.action_properties);
        out.push_str(",\"resource\":");
        let (resource_type, resource_id) = self.resource;
        push_entity(&mut out, json!({"type": resource_type, "id": resource_id}), &self.resource_properties);
        out.push_str(",\"context\":{");
        for (name, value) in &context {
            push_member(&mut out, name, value);
            out.push(',');
        }
        push_member(&mut out, member, payload);
        out.push_str("}}");
        Ok(Opened { kind, request: out.into_bytes(), uid: None, masks: Vec::new() })
    }
}

/// What the payload says, or else what the option says; both only where they agree.
pub(super) fn agreed<'a>(
    what: &str,
    said: Option<&'a str>,
    option: Option<&'a str>,
) -> Result<Option<&'a str>, DoorError> {
    match (said, option) {
        (Some(said), Some(option)) if said != option => Err(DoorError::Option {
            message: format!(
                "the payload says that the {what} is {said:?} and the option says {option:?}; leave the option out, or \
                 mend the payload"
            ),
        }),
        (said, option) => Ok(said.or(option)),
    }
}

/// Refuses options that the payload of this kind does not take.
pub(super) fn refuse(kind: Kind, given: &[(&str, bool)]) -> Result<(), DoorError> {
    match given.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((option, _)) => Err(DoorError::Option {
            message: format!("a {} ({kind}) says its {option} itself; leave that option out", kind.describe()),
        }),
    }
}

fn push_entity(out: &mut String, mut entity: Value, properties: &[(&'static str, Value)]) {
    let present: serde_json::Map<String, Value> = properties
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    if let (false, Some(members)) = (present.is_empty(), entity.as_object_mut()) {
        members.insert("properties".into(), Value::Object(present));
    }
    out.push_str(&entity.to_string());
}

fn push_member(out: &mut String, name: &str, json: &str) {
    out.push_str(&Value::from(name).to_string());
    out.push(':');
    out.push_str(json);
}

/// The payload moves two levels down, and must still be within the depth that a request may have.
fn check_depth(member: &str, json: &str, from: &Payload<'_>) -> Result<(), DoorError> {
    let deepest = MAX_DEPTH.saturating_sub(2);
    if depth(json) > deepest {
        return Err(from.wrong(format!("nested deeper than the {deepest} levels that fit into /context/{member}")));
    }
    Ok(())
}

/// How deep arrays and objects nest in valid JSON text.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0usize);
    let mut bytes = json.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth = depth.saturating_add(1);
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    deepest
}

fn skip_string(bytes: &mut std::str::Bytes<'_>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => _ = bytes.next(),
            _ => {}
        }
    }
}

/// The document's text without the space around it.
pub(super) fn source(document: &Document) -> &str {
    document.text().trim_ascii()
}
