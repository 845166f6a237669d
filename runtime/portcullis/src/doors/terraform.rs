//! Terraform plans as JSON, format version 1.
//!
//! A plan says what would change, not who asks for it nor where it will be applied: that comes from the
//! options. Sensitive values stand in a plan as plain text: credentials are masked by the names of their attributes.

use portcullis_gate::Document;

use super::read::Payload;
use super::write::{self, Native};
use super::{DoorError, DoorOptions, Kind, Opened, sensitive};

pub(super) fn open(document: &Document, options: &DoorOptions) -> Result<Opened, DoorError> {
    let payload = Payload::new(Kind::Terraform, document)?;
    let version = payload.required_text("/format_version")?;
    if version.split('.').next() != Some("1") {
        return Err(payload.wrong(format!(
            "/format_version is {version:?}; only major version 1 is understood (terraform show -json, 1.1.0 or later)"
        )));
    }
    let planned = payload.has_object("/planned_values")?;
    let changes = payload.has_list("/resource_changes")?;
    if !planned && !changes {
        return Err(payload.wrong(
            "there is neither /planned_values nor /resource_changes: this is a state, or the plan was cut; write the \
             plan with `terraform plan -out plan.bin` and `terraform show -json plan.bin`",
        ));
    }
    let subject = options.subject.as_ref().map(|subject| (subject.kind.as_str(), subject.id.as_str()));
    let opened = Native {
        subject: subject.unwrap_or(("pipeline", "unknown")),
        subject_properties: vec![],
        action: "apply",
        action_properties: vec![],
        resource: ("terraform-plan", options.resource_id.as_deref().unwrap_or("plan")),
        resource_properties: vec![],
        environment: options.environment.as_deref(),
        payload: ("terraform", write::source(document)),
    }
    .write(&payload, Kind::Terraform, options)?;
    Ok(Opened { masks: sensitive::of_plan()?, ..opened })
}
