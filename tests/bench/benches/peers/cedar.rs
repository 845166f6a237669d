//! cedar-policy, natively, through its stock API: entities and context from JSON values.

use anyhow::Context as _;
use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request};
use serde_json::{Value, json};

pub struct Cedar {
    authorizer: Authorizer,
    policies: PolicySet,
}

pub struct Parsed {
    request: Request,
    entities: Entities,
}

impl Cedar {
    pub fn new(policies: &str) -> anyhow::Result<Cedar> {
        Ok(Cedar { authorizer: Authorizer::new(), policies: policies.parse()? })
    }

    /// From the same JSON text as everyone to a request with its entities.
    pub fn parse(&self, text: &str) -> anyhow::Result<Parsed> {
        let mut document: Value = serde_json::from_str(text)?;
        let uid = |kind: &str, id: &Value| -> anyhow::Result<EntityUid> {
            EntityUid::from_json(json!({"type": kind, "id": id})).map_err(Into::into)
        };
        let id = |at: &str| document.pointer(at).cloned().unwrap_or_default();
        let (subject_id, resource_id) = (id("/subject/id"), id("/resource/id"));
        let (principal, resource) = (uid("User", &subject_id)?, uid("Service", &resource_id)?);
        let action = uid("Action", &id("/action/name"))?;
        let take = |document: &mut Value, at: &str| document.pointer_mut(at).map(Value::take).unwrap_or(json!({}));
        let subject_attributes = take(&mut document, "/subject/properties");
        let resource_attributes = take(&mut document, "/resource/properties");
        let entities = json!([
            {"uid": {"type": "User", "id": subject_id}, "attrs": subject_attributes, "parents": []},
            {"uid": {"type": "Service", "id": resource_id}, "attrs": resource_attributes, "parents": []}
        ]);
        let mut context = take(&mut document, "/context");
        cedar_numbers(&mut context);
        let context = Context::from_json_value(context, None)?;
        let request = Request::new(principal, action, resource, context, None)?;
        Ok(Parsed { request, entities: Entities::from_json_value(entities, None)? })
    }

    pub fn decide(&self, parsed: &Parsed) -> Decision {
        self.authorizer.is_authorized(&parsed.request, &self.policies, &parsed.entities).decision()
    }

    pub fn denies(&self, text: &str) -> anyhow::Result<bool> {
        let parsed = self.parse(text).context("cedar-policy")?;
        Ok(self.decide(&parsed) == Decision::Deny)
    }
}

/// Cedar has neither null nor fractions: both are made into something it takes.
fn cedar_numbers(value: &mut Value) {
    match value {
        Value::Null => *value = json!("null"),
        Value::Number(number) if !number.is_i64() => *value = json!(number.to_string()),
        Value::Array(items) => items.iter_mut().for_each(cedar_numbers),
        Value::Object(members) => members.values_mut().for_each(cedar_numbers),
        _ => {}
    }
}
