//! Kubernetes AdmissionReview v1.

use portcullis_gate::Document;
use serde_json::json;

use super::read::Payload;
use super::write::{self, Native};
use super::{DoorError, DoorOptions, Kind, Opened, sensitive};

const OPERATIONS: [&str; 4] = ["CREATE", "UPDATE", "DELETE", "CONNECT"];

pub(super) fn open(document: &Document, options: &DoorOptions) -> Result<Opened, DoorError> {
    write::refuse(
        Kind::Kubernetes,
        &[("subject", options.subject.is_some()), ("resource", options.resource_id.is_some())],
    )?;
    let payload = Payload::new(Kind::Kubernetes, document)?;
    let version = payload.required_text("/apiVersion")?;
    if version != "admission.k8s.io/v1" {
        return Err(payload.wrong(format!(
            "/apiVersion is {version:?}; only admission.k8s.io/v1 is understood: set admissionReviewVersions: [\"v1\"] \
             in the webhook's configuration"
        )));
    }
    let kind = payload.required_text("/kind")?;
    if kind != "AdmissionReview" {
        return Err(payload.wrong(format!("/kind is {kind:?}; it should be \"AdmissionReview\"")));
    }
    let request = payload.object("/request")?.ok_or_else(|| {
        payload.wrong("/request is missing; an AdmissionReview that carries only a response cannot be decided")
    })?;
    let uid = payload.required_text("/request/uid")?;
    let operation = payload.required_text("/request/operation")?;
    if !OPERATIONS.contains(&operation) {
        return Err(payload.wrong(format!("/request/operation is {operation:?}; it should be one of {OPERATIONS:?}")));
    }

    let namespace = payload.possibly_empty_text("/request/namespace")?.filter(|namespace| !namespace.is_empty());
    // An object that is being created with `generateName` has no name yet.
    let name = match payload.possibly_empty_text("/request/name")?.filter(|name| !name.is_empty()) {
        Some(name) => name,
        None => payload.possibly_empty_text("/request/object/metadata/generateName")?.unwrap_or_default(),
    };
    let name = if name.is_empty() { "unnamed" } else { name };
    let id = namespace.map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"));

    let opened = Native {
        subject: ("user", payload.required_text("/request/userInfo/username")?),
        subject_properties: vec![("groups", json!(payload.texts("/request/userInfo/groups")?))],
        action: &operation.to_ascii_lowercase(),
        action_properties: vec![],
        resource: ("kubernetes-object", &id),
        resource_properties: vec![
            ("group", json!(payload.possibly_empty_text("/request/kind/group")?)),
            ("version", json!(payload.required_text("/request/kind/version")?)),
            ("kind", json!(payload.required_text("/request/kind/kind")?)),
            ("namespace", json!(namespace)),
            ("resource", json!(payload.required_text("/request/resource/resource")?)),
        ],
        environment: options.environment.as_deref(),
        payload: ("kubernetes", &request),
    }
    .write(&payload, Kind::Kubernetes, options)?;
    // The API server says the kind, not who writes the object.
    let secret = payload.required_text("/request/kind/kind")? == "Secret";
    let masks = if secret { sensitive::of_secret()? } else { Vec::new() };
    Ok(Opened { uid: Some(uid.to_owned()), masks, ..opened })
}
