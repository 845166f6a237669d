//! Making a recorded decision again, from the bytes in the ledger alone.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use portcullis_engine::Engine;
use portcullis_gate::{DecisionView, EngineIdentity, Fault, Outcome, PolicyTrace, Request, Sha256};
use portcullis_ledger::store::StoredPayload;
use portcullis_ledger::{Body, DecisionBody, Event, Reader, ReplayResult, RequestErased, StoreError};
use serde::Serialize;
use uuid::Uuid;

use crate::activation::set_of;
use crate::kept::Kept;
use crate::{DecideOptions, HistorySource, PolicySet};

/// What came of replaying one decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// The decision's id.
    pub id: Uuid,
    /// Its event.
    pub index: u64,
    /// What came of it.
    pub result: ReplayResult,
    /// Whether nothing speaks against the record: it is identical, it was erased as an event says, or it tells of a failure
    /// of the host itself and is the same but for that.
    pub settled: bool,
    /// The recorded outcome.
    pub outcome: Outcome,
    /// The outcome now, where it could be made again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<Outcome>,
    /// Why not the same, in words; where bytes differ, the first member that does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Why a decision could not be replayed at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no decision of that id.
    #[error("the ledger has no decision {id}")]
    Unknown {
        /// The id.
        id: Uuid,
    },
    /// The ledger holds other bytes than its events commit to, or lacks some.
    #[error("event {index}: {problem}")]
    Damaged {
        /// The event.
        index: u64,
        /// What is wrong.
        problem: String,
    },
}

/// A recorded decision, with the bytes that its event commits to; `None` where they were erased.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The event's index.
    pub index: u64,
    /// The event.
    pub event: Event,
    /// The request as it was decided.
    pub request: Option<Vec<u8>>,
    /// The decision as JSON.
    pub decision: Option<Vec<u8>>,
}

impl Stored {
    /// Reads a decision and checks what is stored of it against its event.
    ///
    /// # Errors
    /// [`ReplayError`]: there is no such decision, or the ledger is damaged.
    pub fn read(reader: &Reader, id: Uuid) -> Result<Stored, ReplayError> {
        let Some((index, leaf)) = reader.find(id)? else { return Err(ReplayError::Unknown { id }) };
        let damaged = |problem: String| ReplayError::Damaged { index, problem };
        let event = Event::decode(&leaf).map_err(|error| damaged(error.to_string()))?;
        let Body::Decision(body) = &event.body else { return Err(ReplayError::Unknown { id }) };
        let checked =
            |what: &str, payload: Option<StoredPayload>, commitment: &portcullis_ledger::Commitment| match payload {
                None => Err(damaged(format!("{what} is missing"))),
                Some(StoredPayload::Erased { .. }) => Ok(None),
                Some(StoredPayload::Present(payload)) if commitment.opens(&payload.salt, &payload.bytes) => {
                    Ok(Some(payload.bytes))
                }
                Some(StoredPayload::Present(_)) => Err(damaged(format!("{what} is not what the event commits to"))),
            };
        let request = checked("the request", reader.request_of(id)?, &body.request)?;
        let decision = checked("the decision", reader.decision_of(id)?, &body.decision)?;
        Ok(Stored { index, event, request, decision })
    }

    /// The event that erased what was stored of this decision, if any: its index, and what it says.
    ///
    /// # Errors
    /// [`ReplayError`]: the ledger cannot be read or is damaged.
    pub fn erasure(&self, reader: &Reader) -> Result<Option<(u64, RequestErased)>, ReplayError> {
        erasures(reader).find(|found| found.as_ref().map_or(true, |(_, body)| body.index == self.index)).transpose()
    }

    /// What the event says of the decision.
    ///
    /// # Errors
    /// Never: [`Stored::read`] reads decisions only.
    pub fn body(&self) -> Result<&DecisionBody, ReplayError> {
        match &self.event.body {
            Body::Decision(body) => Ok(body),
            _ => Err(ReplayError::Unknown { id: self.event.id }),
        }
    }
}

/// All events that erased something, the latest first.
fn erasures(reader: &Reader) -> impl Iterator<Item = Result<(u64, RequestErased), ReplayError>> {
    const PAGE: u32 = 1024;
    let mut before = Some(u64::MAX);
    let mut page = Vec::new().into_iter();
    std::iter::from_fn(move || {
        loop {
            if let Some((index, leaf)) = page.next() {
                return Some(erasure(index, leaf));
            }
            let next: Vec<(u64, Vec<u8>)> = match reader.of_kind(ERASED, before?, PAGE) {
                Ok(next) => next,
                Err(error) => {
                    before = None;
                    return Some(Err(error.into()));
                }
            };
            before = next.last().map(|(index, _)| *index);
            page = next.into_iter();
        }
    })
}

fn erasure(index: u64, leaf: Vec<u8>) -> Result<(u64, RequestErased), ReplayError> {
    match Event::decode(&leaf).map(|event| event.body) {
        Ok(Body::RequestErased(body)) => Ok((index, body)),
        Ok(_) => {
            Err(ReplayError::Damaged { index, problem: format!("it is not {ERASED}, though it is listed as such") })
        }
        Err(error) => Err(ReplayError::Damaged { index, problem: error.to_string() }),
    }
}

const ERASED: &str = "request.erased";

/// Sets that are kept while a ledger is gone through: few decide at a time, and each takes as much memory as its policies.
pub(crate) const KEPT_SETS: usize = 8;

/// Replays decisions of one ledger. Sets are loaded once, as long as few take turns; shared by any number of threads.
pub struct Replayer<'r> {
    reader: &'r Reader,
    engine: Engine,
    /// By the set's digest and the release of the engine that its decisions name.
    sets: Kept<(Sha256, String), Arc<PolicySet>>,
    /// The decisions that events say were erased, once that was asked.
    erased: Mutex<Option<HashSet<u64>>>,
}

impl<'r> Replayer<'r> {
    /// A replayer.
    #[must_use]
    pub fn new(reader: &'r Reader, engine: Engine) -> Replayer<'r> {
        Replayer { reader, engine, sets: Kept::new(KEPT_SETS), erased: Mutex::default() }
    }

    /// Makes one decision again and compares it, fuel included, byte for byte.
    ///
    /// # Errors
    /// [`ReplayError`]: there is nothing to compare, or the ledger is damaged.
    pub fn replay(&self, id: Uuid) -> Result<Replayed, ReplayError> {
        let stored = Stored::read(self.reader, id)?;
        let body = stored.body()?;
        let done = |result, now, reason: Option<String>| Replayed {
            id,
            index: stored.index,
            result,
            settled: matches!(result, ReplayResult::Match | ReplayResult::Erased),
            outcome: body.outcome,
            now,
            reason,
        };
        let damaged = |problem: String| ReplayError::Damaged { index: stored.index, problem };
        let (Some(request), Some(decision)) = (&stored.request, &stored.decision) else {
            if !self.is_erased(&stored)? {
                return Err(damaged("what was stored of it is gone, and no event says that it was erased".into()));
            }
            return Ok(done(ReplayResult::Erased, None, Some("the request was erased".into())));
        };
        let recorded = DecisionView::parse(decision).map_err(|error| damaged(error.to_string()))?;
        let engine = self.engine.configuration_sha256();
        if recorded.engine.configuration_sha256 != engine {
            let reason = format!("decided by {}, here is {}", recorded.engine.version, self.engine.version());
            return Ok(done(ReplayResult::EngineChanged, None, Some(reason)));
        }
        let now = recorded.now.parse::<Timestamp>().map_err(|error| damaged(error.to_string()))?;
        let set = self.set(body.policy_set.sha256, stored.index, now, &recorded.engine).map_err(damaged)?;
        let request = Request::parse(request, now).map_err(|error| damaged(error.to_string()))?;
        let again = set.decide(&request, &DecideOptions::default(), &HistorySource::recorded(&recorded));
        let again_view = again.view();
        let expected = comparable(recorded.clone()).map_err(|error| damaged(error.to_string()))?;
        let found = comparable(again_view.clone()).map_err(|error| damaged(error.to_string()))?;
        if expected == found {
            return Ok(done(ReplayResult::Match, Some(again.outcome()), None));
        }
        let then: Vec<Unrepeatable> = unrepeatable(&recorded).collect();
        let failed: Vec<Unrepeatable> = then.iter().cloned().chain(unrepeatable(&again_view)).collect();
        if let Some(first) = failed.first().filter(|_| alike_but_for(&recorded, &again_view, &failed)) {
            let (result, reason) = first.explained();
            // What failed only now says nothing of the record, for or against it.
            let settled = failed.iter().all(|one| then.iter().any(|then| then.policy == one.policy));
            return Ok(Replayed { settled, ..done(result, Some(again.outcome()), Some(reason)) });
        }
        let reason = first_difference(&expected, &found);
        Ok(done(ReplayResult::Differs, Some(again.outcome()), Some(reason)))
    }

    /// Whether an event says that what was stored of a decision was erased.
    fn is_erased(&self, stored: &Stored) -> Result<bool, ReplayError> {
        let mut erased = self.erased.lock().unwrap_or_else(PoisonError::into_inner);
        let known = match &mut *erased {
            Some(known) => known,
            none => none.insert(
                erasures(self.reader).map(|found| found.map(|(_, body)| body.index)).collect::<Result<_, _>>()?,
            ),
        };
        // It may have been erased since.
        Ok(known.contains(&stored.index) || stored.erasure(self.reader)?.is_some())
    }

    fn set(
        &self,
        sha256: Sha256,
        index: u64,
        now: Timestamp,
        engine: &EngineIdentity,
    ) -> Result<Arc<PolicySet>, String> {
        self.sets.get(&(sha256, engine.version.clone()), || {
            let set = set_of(self.reader, sha256, index, now, &self.engine).map_err(|error| error.to_string())?;
            // The same configuration decides alike: what differs is only what the release is called.
            Ok(Arc::new(set.with_engine_version(&engine.version)))
        })
    }
}

/// A decision as JSON, without what differs between two runs of one request.
fn comparable(mut view: DecisionView<'_>) -> Result<Vec<u8>, serde_json::Error> {
    view.id = None;
    view.correlation_id = None;
    view.supersedes = None;
    for policy in &mut view.policies {
        policy.duration_us = None;
    }
    serde_json::to_vec(&view)
}

/// A policy that gave no verdict for a reason that lies in the host.
#[derive(Clone)]
struct Unrepeatable {
    policy: String,
    fault: Fault,
    detail: String,
}

impl Unrepeatable {
    fn explained(&self) -> (ReplayResult, String) {
        let policy = &self.policy;
        match self.fault {
            Fault::Time => (
                ReplayResult::HostTimeLimit,
                format!("the policy {policy} ran into its limit on wall time, which no replay can repeat"),
            ),
            fault => (
                ReplayResult::HostFailure,
                format!("cannot be repeated: host failure: the policy {policy}: {}: {}", fault.code(), self.detail),
            ),
        }
    }
}

/// The policies whose verdicts are missing for a reason that lies in the host: the clock, a disk, the compiler's process.
fn unrepeatable<'v>(view: &'v DecisionView<'_>) -> impl Iterator<Item = Unrepeatable> + 'v {
    view.policies.iter().filter_map(|policy| {
        let found = policy.fault.as_ref()?;
        let fault = Fault::from_code(&found.code).filter(|fault| fault.is_of_the_host())?;
        Some(Unrepeatable { policy: policy.name.to_string(), fault, detail: found.detail.to_string() })
    })
}

/// The strictest outcome that a decision has without its policies that failed for a reason that lies in the host; `None`
/// where there are none of these.
pub(crate) fn without_host_failures(view: &DecisionView<'_>) -> Option<Outcome> {
    let failed: Vec<Unrepeatable> = unrepeatable(view).collect();
    if failed.is_empty() {
        return None;
    }
    let others = view.findings.iter().filter(|finding| {
        finding.policy.as_deref().is_some_and(|policy| failed.iter().all(|failed| failed.policy != policy))
    });
    Some(others.map(|finding| finding.outcome).max().unwrap_or(Outcome::Allow))
}

/// Whether every other policy said the same, with the same fuel, of the same request and set.
fn alike_but_for(one: &DecisionView<'_>, other: &DecisionView<'_>, failed: &[Unrepeatable]) -> bool {
    let others = |view: &DecisionView<'_>| -> Vec<PolicyTrace<'static>> {
        let view = view.clone().into_owned();
        let policies =
            view.policies.into_iter().filter(|policy| failed.iter().all(|failed| failed.policy != *policy.name));
        // Whether a verdict decides depends on the others.
        policies.map(|policy| PolicyTrace { duration_us: None, contributes: false, ..policy }).collect()
    };
    one.policy_set == other.policy_set && one.request_sha256 == other.request_sha256 && others(one) == others(other)
}

/// The JSON pointer of the first member that differs, with both values cut short.
fn first_difference(expected: &[u8], found: &[u8]) -> String {
    let parse = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap_or_default();
    let mut path = String::new();
    match differing(&parse(expected), &parse(found), &mut path) {
        Some((expected, found)) => format!("{path}: recorded {expected}, now {found}"),
        None => "the order of members differs".into(),
    }
}

fn differing(expected: &serde_json::Value, found: &serde_json::Value, path: &mut String) -> Option<(String, String)> {
    use serde_json::Value::{Array, Null, Object};
    let short = |value: &serde_json::Value| portcullis_gate::text::escaped(&value.to_string(), 200);
    match (expected, found) {
        (Object(one), Object(other)) => one.keys().chain(other.keys()).find_map(|key| {
            let length = path.len();
            path.push('/');
            path.push_str(key);
            let differs = differing(one.get(key).unwrap_or(&Null), other.get(key).unwrap_or(&Null), path);
            if differs.is_none() {
                path.truncate(length);
            }
            differs
        }),
        (Array(one), Array(other)) => (0..one.len().max(other.len())).find_map(|at| {
            let length = path.len();
            path.push_str(&format!("/{at}"));
            let differs = differing(one.get(at).unwrap_or(&Null), other.get(at).unwrap_or(&Null), path);
            if differs.is_none() {
                path.truncate(length);
            }
            differs
        }),
        _ if expected == found => None,
        _ => Some((short(expected), short(found))),
    }
}

#[cfg(test)]
mod tests;
