//! What a bundle proves of a module.

use jiff::Timestamp;
use portcullis_gate::{Document, PublicKey, Sha256};
use serde::Serialize;
use serde_json::Value;

use crate::statement::{
    MAX_NOTE_BYTES, MAX_REVIEWER_BYTES, REVIEW_PREDICATE, Review, SIGNATURE_PREDICATE, STATEMENT, Statement,
};

/// What somebody says of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// That it is theirs.
    Signature,
    /// That they looked at it.
    Review,
}

/// What a bundle says. It is nobody's word before [`Bundle::verify`](crate::Bundle::verify).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Signature or review.
    pub kind: Kind,
    /// sha256 of what it is about.
    pub subjects: Vec<Sha256>,
    /// When, as the signer says.
    pub time: Option<Timestamp>,
    /// The review, where it is one.
    pub review: Option<Review>,
}

/// What a key says of a module. Only [`Bundle::verify`](crate::Bundle::verify) makes one:
///
/// ```compile_fail,E0451
/// # use portcullis_attest::{Claim, Evidence};
/// # use portcullis_gate::{PublicKey, Sha256};
/// fn forge(claim: Claim, module: Sha256, key: PublicKey, bundle: Sha256) -> Evidence {
///     Evidence { claim, module, key, bundle }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    claim: Claim,
    module: Sha256,
    key: PublicKey,
    bundle: Sha256,
}

/// Why a bundle proves nothing of a module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// Larger than [`MAX_BUNDLE_BYTES`](crate::MAX_BUNDLE_BYTES).
    #[error("larger than a bundle may be: {bytes} bytes")]
    TooLarge {
        /// How large.
        bytes: u64,
    },
    /// Not a bundle.
    #[error("malformed: {problem}")]
    Malformed {
        /// What is wrong.
        problem: String,
    },
    /// Not a bundle of v0.3.
    #[error("wrong media type {found:?}: only sigstore bundles v0.3 are read")]
    MediaType {
        /// What it is.
        found: String,
    },
    /// It is signed with a certificate.
    #[error("signed with a certificate: only public keys that are known already are believed")]
    Certificate,
    /// The payload is not an in-toto statement.
    #[error("wrong payload type {found:?}: not an in-toto statement")]
    PayloadType {
        /// What it is.
        found: String,
    },
    /// None of the keys signed it.
    #[error("wrong key: it is signed by none of the keys; it hints at {hint:?}")]
    UnknownKey {
        /// What it says of its key.
        hint: String,
    },
    /// It hints at one of the keys, which did not sign it.
    #[error("the signature is not the key's ({key})")]
    Signature {
        /// The key's id.
        key: Sha256,
    },
    /// The statement is neither a signature nor a review of a policy.
    #[error("wrong predicate type {found:?}: neither a signature nor a review of a policy")]
    Predicate {
        /// What it is.
        found: String,
    },
    /// It is about other bytes.
    #[error("{} sha256:{found}, the module is sha256:{module}", match kind { Kind::Signature => "signs", Kind::Review => "reviews" })]
    OtherModule {
        /// Signature or review.
        kind: Kind,
        /// What it is about; the first of them.
        found: Sha256,
        /// The module.
        module: Sha256,
    },
}

impl Kind {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Signature => "signature",
            Kind::Review => "review",
        }
    }
}

impl Claim {
    pub(crate) fn read(payload: &[u8]) -> Result<Claim, EvidenceError> {
        let malformed = |problem: String| EvidenceError::Malformed { problem };
        Document::parse(payload).map_err(|error| malformed(format!("the statement: {error}")))?;
        let statement: Statement<Value> =
            serde_json::from_slice(payload).map_err(|error| malformed(format!("the statement: {error}")))?;
        if statement.kind != STATEMENT {
            return Err(malformed("it is no in-toto statement v1".into()));
        }
        let predicate = statement.predicate;
        let (kind, time, review) = match statement.predicate_type.as_str() {
            SIGNATURE_PREDICATE => {
                let time = predicate.get("signedAt").and_then(Value::as_str).and_then(|time| time.parse().ok());
                (Kind::Signature, time, None)
            }
            REVIEW_PREDICATE => {
                let review: Review =
                    serde_json::from_value(predicate).map_err(|error| malformed(format!("the review: {error}")))?;
                check(&review).map_err(|problem| malformed(format!("the review: {problem}")))?;
                (Kind::Review, Some(review.reviewed_at), Some(review))
            }
            _ => return Err(EvidenceError::Predicate { found: statement.predicate_type }),
        };
        let subjects: Option<Vec<_>> = statement.subject.iter().map(crate::Descriptor::sha256).collect();
        match subjects {
            Some(subjects) if (1..=MAX_SUBJECTS).contains(&subjects.len()) => {
                Ok(Claim { kind, subjects, time, review })
            }
            _ => Err(malformed(format!("it is not about 1 to {MAX_SUBJECTS} things, each with its sha256"))),
        }
    }
}

fn check(review: &Review) -> Result<(), String> {
    if review.reviewer.trim().is_empty() || review.reviewer.len() > MAX_REVIEWER_BYTES {
        return Err(format!("the reviewer's name is empty or longer than {MAX_REVIEWER_BYTES} bytes"));
    }
    if review.note.as_ref().is_some_and(|note| note.len() > MAX_NOTE_BYTES) {
        return Err(format!("the note is longer than {MAX_NOTE_BYTES} bytes"));
    }
    Ok(())
}

impl Evidence {
    pub(crate) fn new(claim: Claim, module: Sha256, key: PublicKey, bundle: Sha256) -> Result<Evidence, EvidenceError> {
        match claim.subjects.first() {
            _ if claim.subjects.contains(&module) => Ok(Evidence { claim, module, key, bundle }),
            Some(found) => Err(EvidenceError::OtherModule { kind: claim.kind, found: *found, module }),
            None => Err(EvidenceError::Malformed { problem: "it is about nothing".into() }),
        }
    }

    /// Signature or review.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.claim.kind
    }

    /// The key that signed it.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// sha256 of the module that it is about.
    #[must_use]
    pub fn module(&self) -> Sha256 {
        self.module
    }

    /// sha256 of the bundle's bytes.
    #[must_use]
    pub fn bundle(&self) -> Sha256 {
        self.bundle
    }

    /// When, as the signer says: nothing proves it.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        self.claim.time
    }

    /// The review, where it is one.
    #[must_use]
    pub fn review(&self) -> Option<&Review> {
        self.claim.review.as_ref()
    }
}

/// Most things that a statement may be about.
const MAX_SUBJECTS: usize = 256;

#[cfg(test)]
mod tests;
