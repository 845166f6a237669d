//! What a request names, for machines and for lists.

use portcullis_gate::{Pointer, Request, Value};
use serde::Serialize;

/// Who wants to do what to what, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Named {
    pub subject: Entity,
    /// The action's name.
    pub action: String,
    pub resource: Entity,
    /// `/context/environment`, where that is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

/// A subject or a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entity {
    #[serde(rename = "type")]
    pub kind: String,
    pub id: String,
}

impl Named {
    /// What a request names: the first three are in every request.
    pub fn of(request: &Request) -> Named {
        let get = |at: &str| match Pointer::new(at).map(|pointer| request.get(&pointer)) {
            Ok(Value::Text(text)) => Some(text.to_owned()),
            _ => None,
        };
        let text = |at: &str| get(at).unwrap_or_default();
        Named {
            subject: Entity { kind: text("/subject/type"), id: text("/subject/id") },
            action: text("/action/name"),
            resource: Entity { kind: text("/resource/type"), id: text("/resource/id") },
            environment: get("/context/environment"),
        }
    }
}

impl std::fmt::Display for Entity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.kind, self.id)
    }
}
