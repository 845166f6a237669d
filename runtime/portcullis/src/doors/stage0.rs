//! Stage0 checks: `goal`, `tools`, `side_effects`, `constraints`, `context`, `pro`. Members beyond those are kept
//! with the rest under `/context/stage0`.

use portcullis_gate::Document;
use serde_json::json;

use super::read::Payload;
use super::write::{self, Native, agreed};
use super::{DoorError, DoorOptions, Kind, Opened, sensitive};

pub(super) fn open(document: &Document, options: &DoorOptions) -> Result<Opened, DoorError> {
    let payload = Payload::new(Kind::Stage0, document)?;
    let goal = payload.required_text("/goal")?;
    let tools = payload.texts("/tools")?;
    let side_effects = payload.texts("/side_effects")?;
    payload.texts("/constraints")?;
    payload.boolean("/pro")?;
    payload.has_object("/context")?;

    let run = payload.text("/context/run_id")?;
    let actor = match payload.text("/context/actor_id")? {
        Some(actor) => Some(actor),
        None => payload.text("/context/actor")?,
    };
    let role = payload.text("/context/actor_role")?;
    let environment = payload.text("/context/environment")?;

    let option = options.subject.as_ref();
    let subject = match agreed("subject", actor, option.map(|subject| subject.id.as_str()))? {
        Some(subject) => (option.map_or("user", |subject| &subject.kind), subject),
        // A run is nobody: what is asked of people, such as who may approve, is not to be asked of it.
        None => ("run", run.unwrap_or("unknown")),
    };
    let opened = Native {
        subject,
        subject_properties: vec![("role", json!(role))],
        action: "execute",
        action_properties: vec![("tools", json!(tools)), ("side_effects", json!(side_effects))],
        resource: ("stage0-check", agreed("run", run, options.resource_id.as_deref())?.unwrap_or("check")),
        resource_properties: vec![("goal", json!(goal))],
        environment: agreed("environment", environment, options.environment.as_deref())?,
        payload: ("stage0", write::source(document)),
    }
    .write(&payload, Kind::Stage0, options)?;
    Ok(Opened { masks: sensitive::of_request(Kind::Stage0)?, ..opened })
}
