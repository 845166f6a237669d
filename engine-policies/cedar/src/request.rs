//! From the request's fields to Cedar's principal, action, resource, context and entities.
//!
//! Cedar has neither null nor fractions. A member that is null is left out; a number with at most four decimal places becomes
//! a `decimal`; any other is a fault, because a policy that never sees it might permit. Text stays text: no request can
//! smuggle in an entity or another type by Cedar's JSON escapes.

use std::collections::{BTreeMap, HashSet};
use std::str::FromStr as _;
use std::sync::Arc;

use cedar_policy::{Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, Schema};
use cedar_policy_core::ast::Entity as CoreEntity;
use cedar_policy_core::entities::{Entities as CoreEntities, TCComputation};
use cedar_policy_core::extensions::Extensions;
use cedar_policy_core::validator::CoreSchema;
use portcullis_policy::json::read_text;
use portcullis_policy::prelude::*;

use crate::load::chain;
use crate::settings::{Settings, Source};
use crate::values::{Members, document};

/// Which request fields become what.
pub struct Plan {
    pub pointers: Vec<String>,
    principal: Who,
    action: usize,
    resource: Who,
    context: Record,
    /// Parsed at load: Cedar's parser takes most of an evaluation.
    types: BTreeMap<String, EntityTypeName>,
    action_type: EntityTypeName,
}

struct Who {
    kind: usize,
    id: usize,
    attributes: Record,
    parents: Vec<(EntityTypeName, usize)>,
}

enum Record {
    /// All members of an object.
    Whole(usize),
    Members(Vec<(String, usize)>),
}

/// Why there is nothing to evaluate.
pub enum Refusal {
    /// The request does not fit: a finding.
    Unfit { at: Option<String>, message: String },
    /// The policy cannot judge: a fault.
    Fault(String),
}

impl Refusal {
    /// What is wrong inside a value starts with its own pointer, which continues `at`.
    pub fn within(self, at: &str) -> Refusal {
        match self {
            Refusal::Fault(message) if message.starts_with('/') => Refusal::Fault(format!("{at}{message}")),
            Refusal::Fault(message) => Refusal::Fault(format!("{at} {message}")),
            unfit @ Refusal::Unfit { .. } => unfit,
        }
    }
}

impl Plan {
    /// # Errors
    /// A name that is no Cedar type.
    pub fn new(settings: &Settings) -> Result<Plan, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut pointers = Vec::new();
        let mut who = |source: &Option<Source>, of: &str, pointers: &mut Vec<String>| {
            let source = source.clone().unwrap_or_default();
            let mut parents = Vec::new();
            for (name, from) in &source.parents {
                match type_name(name) {
                    Ok(kind) => parents.push((kind, place(pointers, from.clone()))),
                    Err(message) => problems.push(Problem::new(format!("/{of}/parents"), message)),
                }
            }
            let request = if of == "principal" { "subject" } else { "resource" };
            Who {
                kind: place(pointers, source.kind.unwrap_or_else(|| format!("/{request}/type"))),
                id: place(pointers, source.id.unwrap_or_else(|| format!("/{request}/id"))),
                attributes: record(source.attributes.as_ref(), &format!("/{request}/properties"), pointers),
                parents,
            }
        };
        let principal = who(&settings.principal, "principal", &mut pointers);
        let resource = who(&settings.resource, "resource", &mut pointers);
        let action = place(&mut pointers, "/action/name".into());
        let context = record(settings.context.as_ref(), "/context", &mut pointers);
        let mut types = BTreeMap::new();
        for (name, cedar) in &settings.types {
            match type_name(cedar) {
                Ok(cedar) => _ = types.insert(name.clone(), cedar),
                Err(message) => problems.push(Problem::new("/types", message)),
            }
        }
        match type_name(&settings.action_type) {
            Ok(action_type) if problems.is_empty() => {
                Ok(Plan { pointers, principal, action, resource, context, types, action_type })
            }
            Ok(_) => Err(problems),
            Err(message) => {
                problems.push(Problem::new("/action_type", message));
                Err(problems)
            }
        }
    }

    /// The request, and the entities of the settings with its principal and resource. An entity that the settings define
    /// stays as they define it.
    ///
    /// # Errors
    /// The request does not fit, or a value is nothing that Cedar can hold.
    pub fn request(
        &self,
        fields: &Fields,
        entities: &Entities,
        schema: Option<&Schema>,
    ) -> Result<(Request, Entities), Refusal> {
        let principal = self.uid(&self.principal, fields)?;
        let resource = self.uid(&self.resource, fields)?;
        let action =
            EntityUid::from_type_name_and_id(self.action_type.clone(), EntityId::new(self.text(self.action, fields)?));
        let mut added: Vec<CoreEntity> = Vec::new();
        for (who, uid) in [(&self.principal, &principal), (&self.resource, &resource)] {
            if entities.get(uid).is_none() && added.iter().all(|entity| entity.uid() != uid.as_ref()) {
                added.push(self.entity(who, uid, fields, schema)?);
            }
        }
        let entities = with(entities, added, schema)?;
        let context = self.context(fields, &action, schema)?;
        let request = Request::new(principal, action, resource, context, schema).map_err(|error| unfit(&error))?;
        Ok((request, entities))
    }

    fn uid(&self, who: &Who, fields: &Fields) -> Result<EntityUid, Refusal> {
        let named = self.text(who.kind, fields)?;
        let kind = match self.types.get(named) {
            Some(kind) => kind.clone(),
            None => type_name(named).map_err(|message| Refusal::Unfit { at: self.pointer(who.kind), message })?,
        };
        Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(self.text(who.id, fields)?)))
    }

    fn entity(
        &self,
        who: &Who,
        uid: &EntityUid,
        fields: &Fields,
        schema: Option<&Schema>,
    ) -> Result<CoreEntity, Refusal> {
        let mut parents = HashSet::new();
        for (kind, place) in &who.parents {
            let parent = |id: &str| EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id));
            match parsed(fields.get(*place))? {
                None => {}
                Some(Json::Text(id)) => _ = parents.insert(parent(&id)),
                Some(Json::Array(ids)) => {
                    for id in &ids {
                        let id = id.as_str().ok_or_else(|| self.wrong(*place, "expected a list of strings"))?;
                        parents.insert(parent(id));
                    }
                }
                Some(_) => return Err(self.wrong(*place, "expected a list of strings")),
            }
        }
        let Some(schema) = schema else {
            let attributes = self.record(&who.attributes, fields)?;
            let parents = parents.into_iter().map(Into::into);
            return Ok(attributes.into_entity(uid.clone().into(), parents));
        };
        let attributes = self.document(&who.attributes, fields)?;
        let uid_json =
            |uid: &EntityUid| serde_json::json!({"type": uid.type_name().to_string(), "id": uid.id().unescaped()});
        let entity = serde_json::json!({
            "uid": uid_json(uid),
            "attrs": attributes,
            "parents": parents.iter().map(uid_json).collect::<Vec<_>>(),
        });
        let entity = Entity::from_json_value(entity, Some(schema)).map_err(|error| unfit(&error))?;
        Ok(entity.as_ref().clone())
    }

    fn context(&self, fields: &Fields, action: &EntityUid, schema: Option<&Schema>) -> Result<Context, Refusal> {
        let Some(schema) = schema else { return Ok(self.record(&self.context, fields)?.into_context().into()) };
        Context::from_json_value(self.document(&self.context, fields)?, Some((schema, action)))
            .map_err(|error| unfit(&error))
    }

    /// The members as Cedar's values.
    fn record(&self, record: &Record, fields: &Fields) -> Result<Members, Refusal> {
        match record {
            Record::Whole(place) => match fields.get(*place) {
                Value::Missing | Value::Null => Ok(Members::default()),
                Value::Json(text) if text.trim_start().starts_with('{') => {
                    read_text(text).map_err(|message| self.fault(*place, message))
                }
                _ => Err(self.wrong(*place, "expected an object")),
            },
            Record::Members(named) => {
                let mut members = Members::default();
                for (name, place) in named {
                    let value = fields.get(*place).clone().read();
                    members.insert(name, value.map_err(|message| self.fault(*place, message))?)?;
                }
                Ok(members)
            }
        }
    }

    /// The members as JSON, which a schema gives types.
    fn document(&self, record: &Record, fields: &Fields) -> Result<serde_json::Value, Refusal> {
        document(&self.members(record, fields)?).map_err(|refusal| match record {
            Record::Whole(place) => refusal.within(&self.pointer(*place).unwrap_or_default()),
            Record::Members(_) => refusal,
        })
    }

    fn members(&self, record: &Record, fields: &Fields) -> Result<Vec<(String, Json)>, Refusal> {
        match record {
            Record::Whole(place) => match parsed(fields.get(*place))? {
                None => Ok(Vec::new()),
                Some(Json::Object(members)) => Ok(members),
                Some(_) => Err(self.wrong(*place, "expected an object")),
            },
            Record::Members(members) => {
                let read = members.iter().map(|(name, place)| Ok((name, parsed(fields.get(*place))?)));
                let read = read.collect::<Result<Vec<_>, Refusal>>()?;
                Ok(read.into_iter().filter_map(|(name, value)| Some((name.clone(), value?))).collect())
            }
        }
    }

    fn text<'a>(&self, place: usize, fields: &'a Fields) -> Result<&'a str, Refusal> {
        match fields.get(place) {
            Value::Text(text) => Ok(text),
            _ => Err(self.wrong(place, "expected a string")),
        }
    }

    fn wrong(&self, place: usize, message: &str) -> Refusal {
        Refusal::Unfit { at: self.pointer(place), message: message.to_owned() }
    }

    fn fault(&self, place: usize, message: String) -> Refusal {
        Refusal::Fault(message).within(&self.pointer(place).unwrap_or_default())
    }

    fn pointer(&self, place: usize) -> Option<String> {
        self.pointers.get(place).cloned()
    }
}

/// The entities with some more.
fn with(entities: &Entities, added: Vec<CoreEntity>, schema: Option<&Schema>) -> Result<Entities, Refusal> {
    // What has no parents changes nothing in who belongs to whom: there is no closure to compute anew.
    let closure = match added.iter().all(|entity| entity.parents().next().is_none()) {
        true => TCComputation::AssumeAlreadyComputed,
        false => TCComputation::ComputeNow,
    };
    let schema = schema.map(|schema| CoreSchema::new(schema.as_ref()));
    let entities: &CoreEntities = entities.as_ref();
    let added = added.into_iter().map(Arc::new);
    let entities = entities.clone().add_entities(added, schema.as_ref(), closure, Extensions::all_available());
    entities.map(Entities::from).map_err(|error| unfit(&error))
}

fn place(pointers: &mut Vec<String>, pointer: String) -> usize {
    match pointers.iter().position(|known| *known == pointer) {
        Some(place) => place,
        None => {
            pointers.push(pointer);
            pointers.len().saturating_sub(1)
        }
    }
}

fn record(members: Option<&BTreeMap<String, String>>, whole: &str, pointers: &mut Vec<String>) -> Record {
    match members {
        None => Record::Whole(place(pointers, whole.into())),
        Some(members) => {
            Record::Members(members.iter().map(|(name, from)| (name.clone(), place(pointers, from.clone()))).collect())
        }
    }
}

fn type_name(name: &str) -> Result<EntityTypeName, String> {
    EntityTypeName::from_str(name)
        .map_err(|_| format!("{} is no entity type of Cedar: name one in `types`", quote(name)))
}

fn unfit(error: &dyn miette::Diagnostic) -> Refusal {
    Refusal::Unfit { at: None, message: chain(error) }
}

fn parsed(value: &Value) -> Result<Option<Json>, Refusal> {
    match value {
        Value::Missing | Value::Null => Ok(None),
        other => other.clone().read().map(Some).map_err(Refusal::Fault),
    }
}
