//! What a Kubernetes workload may ask of its node.
//!
//! Judges pods and everything with a pod template when they are created or updated. It looks at the object alone: not
//! at what other admission plugins add to it, nor at what the cluster already runs.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod checks;
mod image;
mod place;
mod workload;

use std::cell::RefCell;
use std::collections::BTreeMap;

use portcullis_policy::prelude::*;

use crate::checks::Review;
use crate::place::Place;

/// How bad each thing is: `deny`, `warn` or `off`.
#[derive(Settings)]
struct Settings {
    /// Namespaces that are let be.
    #[setting(default = [])]
    exempt_namespaces: Vec<String>,
    /// Kinds of one's own with a pod in them: where its spec is, by `group/Kind`, such as
    /// `{"argoproj.io/Rollout": "spec/template/spec"}`.
    #[setting(default)]
    pod_templates: BTreeMap<String, String>,
    /// Registries or repositories that images may come from, `registry.example.com/team`. Empty: any.
    #[setting(default = [])]
    registries: Vec<String>,
    /// Capabilities that may be added, without `CAP_`.
    #[setting(default = ["NET_BIND_SERVICE"])]
    allowed_capabilities: Vec<String>,
    /// Privileged containers, host processes and unmasked proc mounts.
    #[setting(default = "deny")]
    privileged: Level,
    /// hostNetwork, hostPID and hostIPC.
    #[setting(default = "deny")]
    host_namespaces: Level,
    /// hostPath volumes.
    #[setting(default = "deny")]
    host_paths: Level,
    /// hostPort.
    #[setting(default = "deny")]
    host_ports: Level,
    /// allowPrivilegeEscalation that is not false.
    #[setting(default = "deny")]
    privilege_escalation: Level,
    /// Containers that may run as root.
    #[setting(default = "deny")]
    run_as_root: Level,
    /// Capabilities added beyond the allowed.
    #[setting(default = "deny")]
    capabilities: Level,
    /// Capabilities that are not dropped.
    #[setting(default = "warn")]
    drop_capabilities: Level,
    /// No seccomp profile.
    #[setting(default = "warn")]
    seccomp: Level,
    /// Images without a tag, or with `latest`.
    #[setting(default = "deny")]
    image_tag: Level,
    /// Images that no digest pins.
    #[setting(default = "off")]
    image_digest: Level,
    /// Images from other registries than `registries`.
    #[setting(default = "deny")]
    image_registry: Level,
    /// No limits on CPU and memory.
    #[setting(default = "deny")]
    limits: Level,
    /// No requests for CPU and memory.
    #[setting(default = "warn")]
    requests: Level,
    /// Tokens for the API that are mounted without being asked for.
    #[setting(default = "warn")]
    service_account_token: Level,
}

#[derive(Settings, Clone, Copy, PartialEq, Eq)]
enum Level {
    Off,
    Warn,
    Deny,
}

#[derive(Inputs)]
struct Inputs {
    #[input("/context/kubernetes/operation")]
    operation: Option<String>,
    #[input("/context/kubernetes/kind/group")]
    group: Option<String>,
    #[input("/context/kubernetes/kind/kind")]
    kind: Option<String>,
    #[input("/context/kubernetes/namespace")]
    namespace: Option<String>,
    #[input("/context/kubernetes/subResource")]
    subresource: Option<String>,
    #[input("/context/kubernetes/object")]
    object: Value,
    #[input("/context/kubernetes/oldObject/metadata/deletionTimestamp")]
    deletion: Option<String>,
}

#[policy(
    name = "sample.kubernetes",
    summary = "A Kubernetes workload asks for no more of its node than it may.",
    codes(
        ADMITTED = "sample.kubernetes.admitted": "The workload asks for nothing beyond the settings.",
        EXEMPT = "sample.kubernetes.exempt-namespace": "The settings exempt the namespace.",
        BEING_DELETED = "sample.kubernetes.being-deleted": "The object is on its way out; finalizers may be removed.",
        OPERATION_UNKNOWN = "sample.kubernetes.operation-unknown": "Not an operation of Kubernetes.",
        KIND_MISSING = "sample.kubernetes.kind-missing": "The review does not say what kind of object it is about.",
        KIND_MISMATCH = "sample.kubernetes.kind-mismatch": "The object is of another kind than the review says.",
        OBJECT_MISSING = "sample.kubernetes.object-missing": "The review has no object.",
        MALFORMED = "sample.kubernetes.malformed": "The object is not shaped as Kubernetes shapes it.",
        MORE = "sample.kubernetes.more": "So many findings that the rest is counted.",
        PRIVILEGED = "sample.kubernetes.privileged": "A privileged container or host process.",
        PROC_MOUNT = "sample.kubernetes.proc-mount": "An unmasked proc mount.",
        HOST_NAMESPACE = "sample.kubernetes.host-namespace": "The node's network, processes or IPC are shared.",
        HOST_PATH = "sample.kubernetes.host-path": "Files of the node are mounted.",
        HOST_PORT = "sample.kubernetes.host-port": "A port of the node is taken.",
        PRIVILEGE_ESCALATION = "sample.kubernetes.privilege-escalation": "A process may gain privileges.",
        ROOT = "sample.kubernetes.root": "A container may run as root.",
        CAPABILITY = "sample.kubernetes.capability": "A capability beyond the allowed is added.",
        CAPABILITY_NOT_DROPPED = "sample.kubernetes.capability-not-dropped": "The default capabilities are kept.",
        SECCOMP = "sample.kubernetes.seccomp": "No seccomp profile.",
        IMAGE_TAG = "sample.kubernetes.image-tag": "No tag, or latest.",
        IMAGE_DIGEST = "sample.kubernetes.image-digest": "No digest.",
        IMAGE_REGISTRY = "sample.kubernetes.image-registry": "From a registry that is not allowed.",
        LIMITS = "sample.kubernetes.limits": "No limits.",
        REQUESTS = "sample.kubernetes.requests": "No requests.",
        SERVICE_ACCOUNT_TOKEN = "sample.kubernetes.service-account-token": "A token for the API is mounted unasked.",
    )
)]
fn evaluate(settings: &Settings, input: &Inputs) -> Result<Answer, String> {
    match input.operation.as_deref() {
        Some("CREATE" | "UPDATE") => {}
        Some("DELETE" | "CONNECT") => return Ok(abstain()),
        None => return Ok(defer(OPERATION_UNKNOWN, "the review names no operation").provide(OPERATION).into()),
        Some(other) => {
            let message = format!("{} is no operation of Kubernetes", quote(other));
            return Ok(deny(OPERATION_UNKNOWN, message).at(OPERATION).into());
        }
    }
    let Some(kind) = &input.kind else {
        return Ok(defer(KIND_MISSING, "the review names no kind").provide("/context/kubernetes/kind/kind").into());
    };
    let group = input.group.as_deref().unwrap_or_default();
    let Some(path) = workload::pod_path(group, kind, &settings.pod_templates) else {
        return Ok(abstain());
    };
    // The status of a workload changes nothing that runs; every other subresource of its own kind may.
    if input.subresource.as_deref() == Some("status") {
        return Ok(abstain());
    }
    if let Some(namespace) = input.namespace.as_ref().filter(|name| settings.exempt_namespaces.contains(name)) {
        return Ok(allow(EXEMPT, format!("namespace {} is exempt", quote(namespace))).into());
    }
    if input.operation.as_deref() == Some("UPDATE") && input.deletion.is_some() {
        return Ok(allow(BEING_DELETED, "the object is being deleted").into());
    }
    let object = match &input.object {
        Value::Json(text) => Json::parse(text).map_err(|problem| format!("{OBJECT} {problem}"))?,
        Value::Missing | Value::Null => {
            return Ok(deny(OBJECT_MISSING, "the review has no object to judge").provide(OBJECT).into());
        }
        other => return Err(format!("{OBJECT} must be an object, not {}", other.kind_name())),
    };
    Ok(review(settings, kind, path, &object))
}

fn review(settings: &Settings, kind: &str, path: &str, object: &Json) -> Answer {
    let malformed = RefCell::default();
    let object = Place::new(object, OBJECT, &malformed);
    let mut review = Review::new(settings);
    let own = object.get("kind");
    if own.text().is_some_and(|own| own != kind) {
        review.tell(Level::Deny, KIND_MISMATCH, &own.at, "the object is of another kind than the review says");
    }
    review.pod(&object.down(path));
    for problem in malformed.take() {
        review.tell(Level::Deny, MALFORMED, &problem.at, &format!("must be {}", problem.expected));
    }
    Answer::findings(review.finish())
        .or(allow(ADMITTED, format!("the pod of this {} asks for nothing special", quote(kind))))
}

const OPERATION: &str = "/context/kubernetes/operation";
const OBJECT: &str = "/context/kubernetes/object";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases() {
        portcullis_policy::test::cases::<Policy>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"));
    }
}
