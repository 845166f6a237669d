//! Which objects have a pod in them, and where.

use std::collections::BTreeMap;

/// Where the pod's spec is in an object of this kind; `None` if it has no pod.
pub fn pod_path<'p>(group: &str, kind: &str, more: &'p BTreeMap<String, String>) -> Option<&'p str> {
    let known = KINDS.iter().find(|(known_group, known_kind, _)| *known_group == group && *known_kind == kind);
    if let Some((_, _, path)) = known {
        return Some(path);
    }
    let name = if group.is_empty() { kind.to_owned() } else { format!("{group}/{kind}") };
    more.get(&name).map(|path| &**path)
}

const KINDS: [(&str, &str, &str); 9] = [
    ("", "Pod", "spec"),
    ("", "PodTemplate", "template/spec"),
    ("", "ReplicationController", "spec/template/spec"),
    ("apps", "Deployment", "spec/template/spec"),
    ("apps", "StatefulSet", "spec/template/spec"),
    ("apps", "DaemonSet", "spec/template/spec"),
    ("apps", "ReplicaSet", "spec/template/spec"),
    ("batch", "Job", "spec/template/spec"),
    ("batch", "CronJob", "spec/jobTemplate/spec/template/spec"),
];
