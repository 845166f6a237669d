//! What is signed of a module: [in-toto statements](https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md).

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_gate::Sha256;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The predicate type of an author's signature: "these bytes are mine, to be used as a policy".
pub const SIGNATURE_PREDICATE: &str = "https://portcullis.dev/attestation/policy-signature/v1";
/// The predicate type of a review: "I looked at these bytes, and they may be used as a policy".
pub const REVIEW_PREDICATE: &str = "https://portcullis.dev/attestation/policy-review/v1";
/// The type of in-toto statements.
pub const STATEMENT: &str = "https://in-toto.io/Statement/v1";

/// Longest reviewer's name, in bytes.
pub const MAX_REVIEWER_BYTES: usize = 256;
/// Longest note of a review, in bytes.
pub const MAX_NOTE_BYTES: usize = 4096;

/// A statement about some bytes. Members that it does not know are read over, as in-toto asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement<P> {
    /// [`STATEMENT`].
    #[serde(rename = "_type")]
    pub kind: String,
    /// What it is about.
    pub subject: Vec<Descriptor>,
    /// What the predicate is.
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// What it says.
    pub predicate: P,
}

/// Bytes, by their digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptor {
    /// What they are called. Not compared.
    #[serde(default)]
    pub name: String,
    /// By algorithm, in hexadecimal digits; `sha256` counts.
    pub digest: BTreeMap<String, String>,
}

impl<P> Statement<P> {
    /// A statement about one thing.
    pub fn new(name: &str, sha256: Sha256, predicate_type: &str, predicate: P) -> Statement<P> {
        Statement {
            kind: STATEMENT.to_owned(),
            subject: vec![Descriptor::new(name, sha256)],
            predicate_type: predicate_type.to_owned(),
            predicate,
        }
    }
}

impl Descriptor {
    /// Bytes of that digest.
    #[must_use]
    pub fn new(name: &str, sha256: Sha256) -> Descriptor {
        Descriptor { name: name.to_owned(), digest: BTreeMap::from([("sha256".to_owned(), sha256.to_string())]) }
    }

    /// The sha256 of the bytes.
    #[must_use]
    pub fn sha256(&self) -> Option<Sha256> {
        Sha256::from_hex(self.digest.get("sha256")?)
    }
}

/// What a reviewer says. Unknown members are read over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Review {
    /// Whoever looked: a name for people. The key tells reviewers apart, not the name.
    pub reviewer: String,
    /// When, by the reviewer's clock.
    pub reviewed_at: Timestamp,
    /// What else there is to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What the reviewer's inspection of the module found.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub inspection: Value,
}

/// The statement of an author, in JSON. `name` is the module's file name, for people.
#[must_use]
pub fn signature_statement(name: &str, module: Sha256, size: usize, now: Timestamp) -> Vec<u8> {
    let predicate = json!({ "signedAt": format!("{now:.0}"), "size": size });
    json(&Statement::new(name, module, SIGNATURE_PREDICATE, predicate))
}

/// The statement of a reviewer, in JSON. `name` is the module's file name, for people.
#[must_use]
pub fn review_statement(name: &str, module: Sha256, review: &Review) -> Vec<u8> {
    json(&Statement::new(name, module, REVIEW_PREDICATE, review))
}

fn json<P: Serialize>(statement: &Statement<P>) -> Vec<u8> {
    // Maps of it have keys that are text: it can always be written.
    serde_json::to_vec(statement).unwrap_or_default()
}
