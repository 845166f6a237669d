//! The doors: foreign payloads become native requests.
//!
//! Each door is a pure function from bytes to bytes. The payload is parsed strictly ([`Document`]: no duplicate keys,
//! bounded depth and size, no number that would change) before any of its text is copied, and the result is a native
//! request for [`portcullis_gate::Request::parse`]. A door decides nothing: what it does not
//! understand it hands to the policies, under `/context`.
//!
//! | door | payload | `/resource/type` | the payload is at |
//! |---|---|---|---|
//! | [`Kind::Native`] | the four AuthZEN entities | as it says | everywhere |
//! | [`Kind::Stage0`] | a Stage0 check | `stage0-check` | `/context/stage0` |
//! | [`Kind::Terraform`] | [plan JSON](https://developer.hashicorp.com/terraform/internals/json-format), format 1 | `terraform-plan` | `/context/terraform` |
//! | [`Kind::Kubernetes`] | [AdmissionReview v1](https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/) | `kubernetes-object` | its `request` is at `/context/kubernetes` |

mod guess;
mod kubernetes;
mod native;
mod read;
mod sensitive;
mod stage0;
mod terraform;
mod write;

use std::collections::BTreeMap;

use portcullis_gate::{Document, Mask, RequestError};

pub use guess::guess;

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A native request: subject, action, resource and context.
    Native,
    /// A Stage0 check: goal, tools, side_effects, constraints, context, pro.
    Stage0,
    /// The JSON of a Terraform plan (`terraform show -json plan`).
    Terraform,
    /// A Kubernetes AdmissionReview of `admission.k8s.io/v1`.
    Kubernetes,
}

/// What the caller knows about a payload that does not say it itself.
///
/// An option never overrides what the payload says: where both speak and differ, the door refuses. A native request
/// and an AdmissionReview say who asks for what, so they take fewer options.
#[derive(Clone, Debug, Default)]
pub struct DoorOptions {
    /// Who asks. Not for native requests and AdmissionReviews.
    pub subject: Option<Subject>,
    /// Becomes `/context/environment`. Not for native requests.
    pub environment: Option<String>,
    /// Becomes `/resource/id`. Not for native requests and AdmissionReviews.
    pub resource_id: Option<String>,
    /// Further members of `/context`. Not for native requests.
    pub context: BTreeMap<String, Document>,
}

/// A subject: a non-empty type and id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// `user`, `pipeline` ...
    pub kind: String,
    /// Unique among subjects of its type.
    pub id: String,
}

/// A payload that came through its door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// What it was.
    pub kind: Kind,
    /// The native request.
    pub request: Vec<u8>,
    /// The `uid` of an AdmissionReview, which its answer must repeat.
    pub uid: Option<String>,
    /// What is masked of such a payload, whatever the policy set says.
    pub masks: Vec<Mask>,
}

/// Why a door refused a payload. Nothing proceeds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DoorError {
    /// Not strict JSON, too large, or not a request.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Not the shape of its kind.
    #[error("not a valid {} ({}): {message}", kind.describe(), kind.as_str())]
    Shape {
        /// What it should have been.
        kind: Kind,
        /// What is wrong, where, and how to mend it.
        message: String,
    },
    /// An option that the payload does not take, or contradicts.
    #[error("{message}")]
    Option {
        /// What is wrong and how to mend it.
        message: String,
    },
    /// More than one kind fits, or none.
    #[error("{}", guess::explain(candidates))]
    Guess {
        /// The kinds that fit; empty where none does.
        candidates: Vec<Kind>,
    },
}

/// Turns a payload into a native request. `kind: None` guesses.
///
/// # Errors
/// [`DoorError`]: the payload is not strict JSON, not of its kind, or an option does not fit it.
pub fn open(kind: Option<Kind>, payload: &[u8], options: &DoorOptions) -> Result<Opened, DoorError> {
    let document = read::parse(payload)?;
    let kind = match kind {
        Some(kind) => kind,
        None => guess::guess_document(&document)?,
    };
    match kind {
        Kind::Native => native::open(&document, options),
        Kind::Stage0 => stage0::open(&document, options),
        Kind::Terraform => terraform::open(&document, options),
        Kind::Kubernetes => kubernetes::open(&document, options),
    }
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 4] = [Kind::Native, Kind::Stage0, Kind::Terraform, Kind::Kubernetes];

    /// The kind's name on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Native => "native",
            Kind::Stage0 => "stage0",
            Kind::Terraform => "terraform",
            Kind::Kubernetes => "kubernetes",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    const fn describe(self) -> &'static str {
        match self {
            Kind::Native => "native request",
            Kind::Stage0 => "Stage0 check",
            Kind::Terraform => "Terraform plan",
            Kind::Kubernetes => "Kubernetes AdmissionReview",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for Subject {
    type Err = &'static str;

    /// Reads `TYPE:ID`; the id may contain colons.
    fn from_str(text: &str) -> Result<Subject, &'static str> {
        match text.split_once(':') {
            Some((kind, id)) if !kind.is_empty() && !id.is_empty() => {
                Ok(Subject { kind: kind.to_owned(), id: id.to_owned() })
            }
            _ => Err("write TYPE:ID, for example user:alice or pipeline:release-42"),
        }
    }
}

#[cfg(test)]
mod tests;
