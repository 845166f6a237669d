//! A decision as the log keeps it: what can be searched and must stay, and commitments to what can be erased.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use portcullis_gate::{Decision, DecisionView, EngineIdentity, Outcome, Pointer, PolicySaid, Sha256};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Body, Event, MAX_EVENT_BYTES, MAX_EVENT_TEXT_BYTES, MAX_RESOURCE_ID_BYTES, PolicyFiles, WHAT, check_text};
use crate::canonical::{self, Numbers};
use crate::commitment::{Commitment, Salt};
use crate::error::FormatError;
use crate::receipt::MAX_DECISION_BYTES;
use crate::time::Time;

/// Most codes and most policies that an event lists.
pub const MAX_LISTED: usize = 32;

/// A request was decided. The members stand in the order in which they are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionBody {
    /// What was to be done.
    pub action: String,
    /// The codes of the findings, the strictest first, each once; where they do not fit, the first of them.
    pub codes: Vec<String>,
    /// The caller's id for the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// Commits to the decision's bytes: [`Recorded::decision`].
    pub decision: Commitment,
    /// Whether a fault counted as less than deny, or a waiver applied.
    pub degraded: bool,
    /// Wall time of the whole decision, in microseconds. A replay leaves it out.
    pub duration_us: u64,
    /// What evaluated its policies.
    pub engine: Engine,
    /// Keyed digest of the caller's idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<Sha256>,
    /// How much is not listed. The decision has all of it, and so has the set's lock.
    pub left_out: LeftOut,
    /// The host's clock as policies saw it.
    pub now: Time,
    /// The outcome.
    pub outcome: Outcome,
    /// The policies that ran, in the manifest's order; where they do not fit, the first of them.
    pub policies: Vec<PolicyFiles>,
    /// The set that decided.
    pub policy_set: Named,
    /// Whether the request may go on; always what the outcome says.
    pub proceed: bool,
    /// Commits to the request's bytes.
    pub request: Commitment,
    /// To what.
    pub resource: Resource,
    /// The decision that this one takes the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<Uuid>,
    /// Until when a proceeding decision holds; absent where it does not proceed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Time>,
}

/// A resource, as the request names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// Its id.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A policy set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Digest of everything in it that can change a decision.
    pub sha256: Sha256,
}

/// What evaluated the policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Engine {
    /// Digest of everything in its configuration that a policy could notice.
    pub configuration_sha256: Sha256,
    /// Name and version.
    pub version: String,
}

/// How much an event does not list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// Codes.
    pub codes: u64,
    /// Policies that ran.
    pub policies: u64,
}

/// What [`record`] needs beside the decision.
#[derive(Clone, Debug)]
pub struct Recording<'r> {
    /// When the event is written.
    pub time: Time,
    /// Hides the request. Random, used once.
    pub request_salt: &'r Salt,
    /// Hides the decision. Random, used once.
    pub decision_salt: &'r Salt,
    /// Keyed digest of the caller's idempotency key.
    pub idempotency: Option<Sha256>,
    /// The reference documents of each policy, by the policy's and the document's name.
    pub data: &'r BTreeMap<String, BTreeMap<String, Sha256>>,
    /// Wall time of the whole decision, in microseconds.
    pub duration_us: u64,
}

/// A decision, ready to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The event.
    pub event: Event,
    /// The event's bytes.
    pub leaf: Vec<u8>,
    /// The decision in canonical JSON: what the event commits to and a receipt holds.
    pub decision: Vec<u8>,
    /// The digests of the files of every policy that ran, those that the event does not list included.
    pub references: Vec<Sha256>,
}

/// Makes the event of a decision, and the bytes of the decision that it commits to.
///
/// # Errors
/// [`FormatError`]: the action, the resource or the correlation id is longer than an event takes.
pub fn record(decision: &Decision, recording: &Recording<'_>) -> Result<Recorded, FormatError> {
    let view = decision.view();
    let json = canonical::encode("decision", &view, Numbers::All, MAX_DECISION_BYTES)?;
    let facts = Facts::of_view(&view)?;
    let request = decision.request();
    let field = |at: &str| {
        let pointer = Pointer::new(at).map_err(|problem| FormatError::malformed("request", problem))?;
        let text = request.text(&pointer).map(str::to_owned);
        text.ok_or_else(|| FormatError::malformed("request", format!("{at} is no text")))
    };
    let policies = facts.ran().map(|policy| PolicyFiles {
        name: policy.name.to_string(),
        module_sha256: policy.module_sha256,
        settings_sha256: policy.settings_sha256,
        // A decision does not name them.
        data: recording.data.get(&*policy.name).cloned().unwrap_or_default(),
    });
    let policies: Vec<PolicyFiles> = policies.collect();
    let codes = facts.codes().into_iter().map(str::to_owned).collect();
    let references = policies.iter().flat_map(PolicyFiles::digests).collect();
    let body = DecisionBody {
        outcome: facts.outcome,
        proceed: facts.proceed,
        degraded: facts.degraded,
        codes,
        action: field("/action/name")?,
        resource: Resource { kind: field("/resource/type")?, id: field("/resource/id")? },
        now: facts.now,
        policy_set: facts.policy_set,
        engine: facts.engine,
        policies,
        left_out: LeftOut::default(),
        request: Commitment::new(recording.request_salt, request.bytes()),
        decision: Commitment::new(recording.decision_salt, &json),
        correlation_id: facts.correlation_id,
        idempotency: recording.idempotency,
        supersedes: facts.supersedes,
        valid_until: facts.valid_until,
        duration_us: recording.duration_us,
    };
    let mut event = Event { id: facts.id, time: recording.time, body: Body::Decision(Box::new(body)) };
    let leaf = fit(&mut event)?;
    Ok(Recorded { event, leaf, decision: json, references })
}

/// Leaves out policies, then codes, from the end, until the event fits; gives its bytes.
fn fit(event: &mut Event) -> Result<Vec<u8>, FormatError> {
    let Body::Decision(body) = &mut event.body else { return event.encode() };
    let (codes, policies) = (body.codes.len(), body.policies.len());
    body.codes.truncate(MAX_LISTED);
    body.policies.truncate(MAX_LISTED);
    loop {
        let Body::Decision(body) = &mut event.body else { return event.encode() };
        body.left_out.codes = (codes - body.codes.len()) as u64;
        body.left_out.policies = (policies - body.policies.len()) as u64;
        match event.encode() {
            Ok(leaf) => return Ok(leaf),
            Err(FormatError::TooLarge { what: WHAT, bytes, limit }) => {
                let Body::Decision(body) = &mut event.body else { return event.encode() };
                if body.policies.pop().is_none() && body.codes.pop().is_none() {
                    return Err(FormatError::TooLarge { what: WHAT, bytes, limit });
                }
            }
            Err(error) => return Err(error),
        }
    }
}

impl DecisionBody {
    pub(super) fn check(&self) -> Result<(), FormatError> {
        if self.proceed != self.outcome.proceeds() {
            return Err(FormatError::malformed(WHAT, "`proceed` is not what the outcome says"));
        }
        if self.valid_until.is_some() && !self.proceed {
            return Err(FormatError::malformed(WHAT, "what does not proceed does not end"));
        }
        if self.codes.len() > MAX_LISTED || self.policies.len() > MAX_LISTED {
            return Err(FormatError::malformed(WHAT, format!("more than {MAX_LISTED} codes or policies")));
        }
        check_text("action", &self.action, MAX_EVENT_TEXT_BYTES)?;
        check_text("resource type", &self.resource.kind, MAX_EVENT_TEXT_BYTES)?;
        check_text("resource id", &self.resource.id, MAX_RESOURCE_ID_BYTES)?;
        check_text("correlation id", self.correlation_id.as_deref().unwrap_or_default(), MAX_EVENT_TEXT_BYTES)
    }
}

/// What an event repeats of a decision: taken from the decision to make the event, and read from its JSON to verify that
/// it is the event's.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Facts<'d> {
    pub id: Uuid,
    pub outcome: Outcome,
    pub proceed: bool,
    pub degraded: bool,
    #[serde(borrow)]
    findings: Vec<FindingFacts<'d>>,
    #[serde(borrow)]
    policies: Vec<PolicyFacts<'d>>,
    pub policy_set: Named,
    pub request_sha256: Sha256,
    pub engine: Engine,
    pub now: Time,
    pub correlation_id: Option<String>,
    pub valid_until: Option<Time>,
    pub supersedes: Option<Uuid>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct FindingFacts<'d> {
    #[serde(borrow)]
    code: Cow<'d, str>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct PolicyFacts<'d> {
    #[serde(borrow)]
    name: Cow<'d, str>,
    module_sha256: Option<Sha256>,
    settings_sha256: Option<Sha256>,
    said: PolicySaid,
}

impl<'d> Facts<'d> {
    pub(crate) fn of(decision: &'d [u8]) -> Result<Facts<'d>, FormatError> {
        // Bytes would be checked again, text by text.
        let text =
            std::str::from_utf8(decision).map_err(|error| FormatError::malformed("decision", error.to_string()))?;
        serde_json::from_str(text).map_err(|error| FormatError::malformed("decision", error.to_string()))
    }

    /// The facts of a decision that is not written yet.
    pub(super) fn of_view(view: &'d DecisionView<'_>) -> Result<Facts<'d>, FormatError> {
        let malformed = |what: &str| FormatError::malformed("decision", what);
        let time =
            |text: &str| Time::from_text(text).ok_or_else(|| malformed("a time that is not in UTC with milliseconds"));
        let policies = view.policies.iter().map(|policy| PolicyFacts {
            name: Cow::Borrowed(&policy.name),
            module_sha256: policy.module_sha256,
            settings_sha256: policy.settings_sha256,
            said: policy.said,
        });
        Ok(Facts {
            id: view.id.ok_or_else(|| malformed("it has no id"))?,
            outcome: view.outcome,
            proceed: view.proceed,
            degraded: view.degraded,
            findings: view.findings.iter().map(|finding| FindingFacts { code: Cow::Borrowed(&finding.code) }).collect(),
            policies: policies.collect(),
            policy_set: Named { name: view.policy_set.name.to_string(), sha256: view.policy_set.sha256 },
            request_sha256: view.request_sha256,
            engine: Engine::from(view.engine.as_ref()),
            now: time(&view.now)?,
            correlation_id: view.correlation_id.as_ref().map(ToString::to_string),
            valid_until: view.valid_until.as_deref().map(time).transpose()?,
            supersedes: view.supersedes,
        })
    }

    /// The codes of the findings in their order, each once.
    fn codes(&self) -> Vec<&str> {
        let mut seen = HashSet::new();
        let codes = self.findings.iter().map(|finding| &*finding.code);
        codes.filter(|code| seen.insert(*code)).collect()
    }

    /// The policies that ran.
    fn ran(&self) -> impl Iterator<Item = &PolicyFacts<'d>> {
        self.policies.iter().filter(|policy| policy.said != PolicySaid::Skipped)
    }

    /// The first value that the event does not repeat as the decision has it.
    pub(crate) fn mismatch(&self, event: &Event, body: &DecisionBody) -> Option<&'static str> {
        let codes_fit = listed(self.codes().into_iter(), &body.codes, body.left_out.codes, |a, b| a == b);
        let same_files = |a: &&PolicyFacts<'_>, b: &PolicyFiles| {
            (&*a.name, a.module_sha256, a.settings_sha256) == (&*b.name, b.module_sha256, b.settings_sha256)
        };
        let policies_fit = listed(self.ran(), &body.policies, body.left_out.policies, same_files);
        let checks = [
            ("id", self.id == event.id),
            ("outcome", self.outcome == body.outcome),
            ("proceed", self.proceed == body.proceed && self.proceed == self.outcome.proceeds()),
            ("degraded", self.degraded == body.degraded),
            ("codes", codes_fit),
            ("policies", policies_fit),
            ("policy_set", self.policy_set == body.policy_set),
            ("engine", self.engine == body.engine),
            ("now", self.now == body.now),
            ("correlation_id", self.correlation_id == body.correlation_id),
            ("valid_until", self.valid_until == body.valid_until),
            ("supersedes", self.supersedes == body.supersedes),
        ];
        checks.into_iter().find(|(_, same)| !same).map(|(what, _)| what)
    }
}

/// What an event repeats of a request.
#[derive(Deserialize)]
pub(crate) struct RequestFacts<'r> {
    #[serde(borrow)]
    action: ActionFacts<'r>,
    #[serde(borrow)]
    resource: ResourceFacts<'r>,
}

#[derive(Deserialize)]
struct ActionFacts<'r> {
    #[serde(borrow)]
    name: Cow<'r, str>,
}

#[derive(Deserialize)]
struct ResourceFacts<'r> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'r, str>,
    #[serde(borrow)]
    id: Cow<'r, str>,
}

impl<'r> RequestFacts<'r> {
    pub(crate) fn of(request: &'r [u8]) -> Result<RequestFacts<'r>, FormatError> {
        serde_json::from_slice(request).map_err(|error| FormatError::malformed("request", error.to_string()))
    }

    /// The first value that the event does not repeat as the request has it.
    pub(crate) fn mismatch(&self, body: &DecisionBody) -> Option<&'static str> {
        let checks = [
            ("action", self.action.name == body.action),
            ("resource type", self.resource.kind == body.resource.kind),
            ("resource id", self.resource.id == body.resource.id),
        ];
        checks.into_iter().find(|(_, same)| !same).map(|(what, _)| what)
    }
}

/// Whether `shown` are the first of `all`, and `left_out` says how many more there are.
fn listed<A, S>(all: impl Iterator<Item = A>, shown: &[S], left_out: u64, same: impl Fn(&A, &S) -> bool) -> bool {
    let mut shown = shown.iter();
    let (mut rest, mut fit) = (0u64, true);
    for one in all {
        match shown.next() {
            Some(shown) => fit &= same(&one, shown),
            None => rest += 1,
        }
    }
    fit && rest == left_out && shown.next().is_none()
}

impl From<&EngineIdentity> for Engine {
    fn from(identity: &EngineIdentity) -> Engine {
        Engine { version: identity.version.clone(), configuration_sha256: identity.configuration_sha256 }
    }
}

const _: () = assert!(MAX_EVENT_BYTES >= 4 * (MAX_RESOURCE_ID_BYTES + 3 * MAX_EVENT_TEXT_BYTES));
