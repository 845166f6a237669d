//! Which door a payload wants, from its top-level members. Each kind is recognised by a member that the others do
//! not have; a payload with the members of two kinds is not guessed.

use portcullis_gate::{Document, Pointer, Value};

use super::{DoorError, Kind, read};

/// What a payload is, where that is unambiguous.
///
/// # Errors
/// [`DoorError::Guess`] naming the candidates; or the payload is not strict JSON.
pub fn guess(payload: &[u8]) -> Result<Kind, DoorError> {
    guess_document(&read::parse(payload)?)
}

pub(super) fn guess_document(document: &Document) -> Result<Kind, DoorError> {
    let candidates: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| looks_like(*kind, document)).collect();
    match candidates.as_slice() {
        [only] => Ok(*only),
        _ => Err(DoorError::Guess { candidates }),
    }
}

pub(super) fn explain(candidates: &[Kind]) -> String {
    let names = |kinds: &[Kind]| {
        kinds.iter().map(|kind| format!("{} ({kind})", kind.describe())).collect::<Vec<_>>().join(", ")
    };
    match candidates {
        [] => {
            let needs = Kind::ALL.map(|kind| format!("a {} has {}", kind.describe(), needs(kind)));
            format!("the payload looks like none of the known kinds ({}); say which it is", needs.join("; "))
        }
        several => format!("the payload could be any of: {}; say which it is", names(several)),
    }
}

/// The members that a payload of a kind is recognised by, and those that it needs.
fn needs(kind: Kind) -> &'static str {
    match kind {
        Kind::Native => "`subject`, `action` and `resource`",
        Kind::Stage0 => "`goal`, and mostly `constraints`",
        Kind::Terraform => "`format_version` and `resource_changes`",
        Kind::Kubernetes => "`apiVersion` (admission.k8s.io/v1), `kind` (AdmissionReview) and `request`",
    }
}

fn looks_like(kind: Kind, document: &Document) -> bool {
    let has = |at: &str| !matches!(get(document, at), Value::Missing);
    match kind {
        Kind::Native => has("/subject") || has("/action") || has("/resource"),
        Kind::Stage0 => has("/goal"),
        Kind::Terraform => has("/format_version"),
        Kind::Kubernetes => {
            get(document, "/kind") == Value::Text("AdmissionReview")
                || matches!(get(document, "/apiVersion"), Value::Text(version) if version.starts_with("admission.k8s.io/"))
        }
    }
}

fn get<'d>(document: &'d Document, at: &str) -> Value<'d> {
    Pointer::new(at).map_or(Value::Missing, |pointer| document.get(&pointer))
}
