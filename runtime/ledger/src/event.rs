//! What a leaf of the log says: an event in [canonical JSON](https://www.rfc-editor.org/rfc/rfc8785) without floats.
//!
//! `{"body":{..},"id":"<UUIDv7>","time":"<RFC 3339, UTC, milliseconds>","type":"decision","v":1}`. An event cannot be
//! erased, so neither the request's subject nor its context is in one: an event commits to the request and to the
//! decision, which are kept beside the log and can be erased. Action, resource and correlation id are in it, as the
//! caller wrote them.

mod decision;
mod decoder;

use std::collections::BTreeMap;

use portcullis_gate::Sha256;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::canonical::{self, Numbers};
use crate::error::FormatError;
use crate::key::VerifierKey;
use crate::time::Time;

pub use decision::{DecisionBody, Engine, LeftOut, MAX_LISTED, Named, Recorded, Recording, Resource, record};
pub(crate) use decision::{Facts, RequestFacts};
pub(crate) use decoder::Decoder;

/// Longest event, in bytes.
pub const MAX_EVENT_BYTES: usize = 16 * 1024;
/// Longest text in an event that comes from outside, in bytes: an action, a resource's type, a correlation id.
pub const MAX_EVENT_TEXT_BYTES: usize = 256;
/// Longest id of a resource, in bytes.
pub const MAX_RESOURCE_ID_BYTES: usize = 1024;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// A UUIDv7. That of a decision is the decision's.
    pub id: Uuid,
    /// When, by the host's clock.
    pub time: Time,
    /// What.
    pub body: Body,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// `policy-set.activated`: from here on, this set decides.
    PolicySetActivated(PolicySetActivated),
    /// `decision`: a request was decided.
    Decision(Box<DecisionBody>),
    /// `policy.reviewed`: somebody looked at a module.
    PolicyReviewed(PolicyReviewed),
    /// `replay.checked`: decisions were made again from what is stored.
    ReplayChecked(ReplayChecked),
    /// `request.erased`: what a decision commits to is no longer stored.
    RequestErased(RequestErased),
    /// `key.rotated`: later checkpoints are signed by another key.
    KeyRotated(Box<KeyRotated>),
}

/// A policy set that decides from here on. Its files are plain content-addressed blobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySetActivated {
    /// The set's name.
    pub name: String,
    /// Digest of everything that can change a decision.
    pub sha256: Sha256,
    /// Of the manifest's bytes.
    pub manifest_sha256: Sha256,
    /// Of the lock's bytes, which name every file of the set.
    pub lock_sha256: Sha256,
    /// Of the signatures and reviews that the set's trust rules asked for, with the keys; absent where they ask for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_sha256: Option<Sha256>,
    /// The policies, in the manifest's order; where they do not fit, the first of them.
    pub policies: Vec<PolicyFiles>,
    /// How many policies are not listed.
    pub policies_left_out: u64,
}

/// What one policy is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyFiles {
    /// Of each reference document.
    pub data: BTreeMap<String, Sha256>,
    /// Of the component; `null` where its file could not be read.
    pub module_sha256: Option<Sha256>,
    /// Its name in the set.
    pub name: String,
    /// Of the settings text; `null` where its file could not be read.
    pub settings_sha256: Option<Sha256>,
}

impl PolicyFiles {
    /// Of each file.
    pub(crate) fn digests(&self) -> impl Iterator<Item = Sha256> {
        self.module_sha256.iter().chain(&self.settings_sha256).chain(self.data.values()).copied()
    }
}

/// Somebody looked at a module, and signed that it may be used. Who that is by name, and what they noted, is in the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyReviewed {
    /// Of the module.
    pub module_sha256: Sha256,
    /// Of the signed review, a plain content-addressed blob.
    pub bundle_sha256: Sha256,
    /// Of the reviewer's public key, as a SubjectPublicKeyInfo.
    pub key_sha256: Sha256,
}

/// What came of replaying decisions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayChecked {
    /// The first event of the range whose decisions were replayed.
    pub from: u64,
    /// The event behind the range.
    pub to: u64,
    /// How many decisions of the range were replayed.
    pub replayed: u64,
    /// How many were the same, byte for byte.
    pub identical: u64,
    /// The others, the oldest first; where they do not fit, the first of them.
    pub others: Vec<ReplayedOther>,
    /// How many of the others are not listed.
    pub others_left_out: u64,
    /// What replayed them.
    pub engine: Engine,
    /// The program and its version.
    pub tool: String,
}

/// A decision that was not the same when it was replayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayedOther {
    /// The decision's id.
    pub decision: Uuid,
    /// What came of it; `null` where the ledger holds too little, or other bytes than its events commit to.
    pub result: Option<ReplayResult>,
}

impl ReplayChecked {
    /// Most other decisions that are listed.
    pub const MAX_OTHERS: usize = 128;

    /// Leaves out others from the end until they are no more than an event lists.
    pub fn fit(&mut self) {
        let listed = self.others.len();
        self.others.truncate(ReplayChecked::MAX_OTHERS);
        self.others_left_out += (listed - self.others.len()) as u64;
    }

    fn check(&self) -> Result<(), FormatError> {
        let others = (self.others.len() as u64).saturating_add(self.others_left_out);
        if self.from > self.to || self.identical.saturating_add(others) != self.replayed {
            return Err(FormatError::malformed(WHAT, "the counts of a replay contradict each other"));
        }
        if self.others.len() > ReplayChecked::MAX_OTHERS
            || self.others.iter().any(|one| one.result == Some(ReplayResult::Match))
        {
            return Err(FormatError::malformed(WHAT, "too many others are listed, or ones that are the same"));
        }
        check_text("tool", &self.tool, MAX_EVENT_TEXT_BYTES)
    }
}

/// What came of replaying a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplayResult {
    /// The same decision, byte for byte.
    Match,
    /// Another decision.
    Differs,
    /// What it needs was erased.
    Erased,
    /// A policy ran into the limit on wall time, which a replay cannot repeat.
    HostTimeLimit,
    /// The host failed while a policy was loaded or served, which a replay cannot repeat.
    HostFailure,
    /// The engine is not the one that decided.
    EngineChanged,
}

/// What is no longer stored of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestErased {
    /// The decision's id.
    pub decision: Uuid,
    /// The decision's leaf.
    pub index: u64,
    /// What was erased, with its salt; at least one part, in this order, each once.
    pub parts: Vec<ErasedPart>,
    /// Why.
    pub reason: ErasureReason,
    /// The ticket or order that asks for it, without personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// A part of what is stored of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErasedPart {
    /// The request.
    Request,
    /// The decision as a whole.
    Decision,
}

/// Why something was erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErasureReason {
    /// It was kept as long as it was to be kept.
    Retention,
    /// A person whom it is about asked for it.
    DataSubject,
    /// An operator, for another reason.
    Operator,
}

/// From the next checkpoint on, another key signs. The last checkpoint of the previous key must cover this event: that
/// is how the previous key vouches for the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRotated {
    /// The key that signed until now.
    pub previous: VerifierKey,
    /// The key that signs from now on; of the same name.
    pub next: VerifierKey,
}

impl Event {
    /// The event's bytes: a leaf of the log.
    ///
    /// # Errors
    /// [`FormatError`]: the event is larger than [`MAX_EVENT_BYTES`], or contradicts itself.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        self.check()?;
        let (id, time, kind) = (self.id, self.time, self.kind());
        match &self.body {
            Body::PolicySetActivated(body) => write(&Wire { body, id, time, kind, v: VERSION }),
            Body::Decision(body) => write(&Wire { body, id, time, kind, v: VERSION }),
            Body::PolicyReviewed(body) => write(&Wire { body, id, time, kind, v: VERSION }),
            Body::ReplayChecked(body) => write(&Wire { body, id, time, kind, v: VERSION }),
            Body::RequestErased(body) => write(&Wire { body, id, time, kind, v: VERSION }),
            Body::KeyRotated(body) => write(&Wire { body, id, time, kind, v: VERSION }),
        }
    }

    /// Reads the bytes of an event: the ones that [`Event::encode`] gives, and no others.
    ///
    /// # Errors
    /// [`FormatError`]: what is wrong with them.
    pub fn decode(bytes: &[u8]) -> Result<Event, FormatError> {
        FormatError::check_size(WHAT, bytes.len(), MAX_EVENT_BYTES)?;
        let event = match kind_of(bytes)? {
            Kind::PolicySetActivated => read(bytes, Body::PolicySetActivated)?,
            Kind::Decision => read(bytes, |body| Body::Decision(Box::new(body)))?,
            Kind::PolicyReviewed => read(bytes, Body::PolicyReviewed)?,
            Kind::ReplayChecked => read(bytes, Body::ReplayChecked)?,
            Kind::RequestErased => read(bytes, Body::RequestErased)?,
            Kind::KeyRotated => read(bytes, |body| Body::KeyRotated(Box::new(body)))?,
        };
        canonical::check(WHAT, bytes, &event.encode()?)?;
        Ok(event)
    }

    /// The event's type as it is written.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.body {
            Body::PolicySetActivated(_) => Kind::PolicySetActivated,
            Body::Decision(_) => Kind::Decision,
            Body::PolicyReviewed(_) => Kind::PolicyReviewed,
            Body::ReplayChecked(_) => Kind::ReplayChecked,
            Body::RequestErased(_) => Kind::RequestErased,
            Body::KeyRotated(_) => Kind::KeyRotated,
        }
        .as_str()
    }

    fn check(&self) -> Result<(), FormatError> {
        if self.id.get_version_num() != 7 {
            return Err(FormatError::malformed(WHAT, "the id is no UUIDv7"));
        }
        match &self.body {
            Body::Decision(body) => body.check(),
            Body::RequestErased(body) => {
                let sorted = body.parts.iter().zip(body.parts.iter().skip(1)).all(|(a, b)| a < b);
                if body.parts.is_empty() || !sorted {
                    return Err(FormatError::malformed(WHAT, "the erased parts are none, or not in order"));
                }
                check_text("reference", body.reference.as_deref().unwrap_or_default(), MAX_EVENT_TEXT_BYTES)
            }
            Body::KeyRotated(body) => {
                let KeyRotated { previous, next } = &**body;
                if previous.name() != next.name() || previous == next {
                    return Err(FormatError::malformed(WHAT, "the keys are the same, or of two logs"));
                }
                Ok(())
            }
            Body::ReplayChecked(body) => body.check(),
            Body::PolicySetActivated(_) | Body::PolicyReviewed(_) => Ok(()),
        }
    }
}

impl PolicySetActivated {
    /// Leaves out policies from the end until the event fits.
    pub fn fit(&mut self) {
        let listed = self.policies.len();
        self.policies.truncate(MAX_LISTED);
        while self.policies.len() > 1
            && serde_json::to_vec(self).map_or(usize::MAX, |json| json.len()) > MAX_EVENT_BYTES - ENVELOPE_BYTES
        {
            self.policies.pop();
        }
        self.policies_left_out += (listed - self.policies.len()) as u64;
    }
}

/// An event as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<K, B> {
    body: B,
    id: Uuid,
    time: Time,
    #[serde(rename = "type")]
    kind: K,
    v: u64,
}

fn write<B: Serialize>(wire: &Wire<&'static str, B>) -> Result<Vec<u8>, FormatError> {
    canonical::encode(WHAT, wire, Numbers::Integers, MAX_EVENT_BYTES)
}

/// Reads an event with a body of that type. Its `type` is not looked at: only the right one is written again.
fn read<B: DeserializeOwned>(bytes: &[u8], body: impl FnOnce(B) -> Body) -> Result<Event, FormatError> {
    let wire: Wire<IgnoredAny, B> = canonical::parse(WHAT, bytes, MAX_EVENT_BYTES)?;
    Ok(Event { id: wire.id, time: wire.time, body: body(wire.body) })
}

/// The type that the bytes of an event name. In canonical form it stands behind the body, and is looked for there, so that
/// the body is read once.
fn kind_of(bytes: &[u8]) -> Result<Kind, FormatError> {
    let ends = |kind: &Kind| {
        let rest = bytes.strip_suffix(END).and_then(|rest| rest.strip_suffix(kind.as_str().as_bytes()));
        rest.is_some_and(|rest| rest.ends_with(BEFORE_KIND))
    };
    if let Some(kind) = Kind::ALL.into_iter().find(ends) {
        return Ok(kind);
    }
    let wire: Wire<String, IgnoredAny> = canonical::parse(WHAT, bytes, MAX_EVENT_BYTES)?;
    if wire.v != VERSION {
        return Err(FormatError::malformed(WHAT, format!("version {}, not {VERSION}", wire.v)));
    }
    let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == wire.kind);
    kind.ok_or_else(|| FormatError::malformed(WHAT, "unknown type"))
}

/// The types of events.
#[derive(Clone, Copy)]
enum Kind {
    PolicySetActivated,
    Decision,
    PolicyReviewed,
    ReplayChecked,
    RequestErased,
    KeyRotated,
}

impl Kind {
    const ALL: [Kind; 6] = [
        Kind::Decision,
        Kind::PolicySetActivated,
        Kind::PolicyReviewed,
        Kind::ReplayChecked,
        Kind::RequestErased,
        Kind::KeyRotated,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Kind::PolicySetActivated => "policy-set.activated",
            Kind::Decision => "decision",
            Kind::PolicyReviewed => "policy.reviewed",
            Kind::ReplayChecked => "replay.checked",
            Kind::RequestErased => "request.erased",
            Kind::KeyRotated => "key.rotated",
        }
    }
}

fn check_text(what: &'static str, text: &str, limit: usize) -> Result<(), FormatError> {
    FormatError::check_size(what, text.len(), limit)
}

const WHAT: &str = "event";
const VERSION: u64 = 1;
const BEFORE_KIND: &[u8] = b"\"type\":\"";
const END: &[u8] = b"\",\"v\":1}";
/// More than everything but the body takes.
const ENVELOPE_BYTES: usize = 256;

#[cfg(test)]
mod tests;
