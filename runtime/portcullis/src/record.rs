//! From a decision to what the ledger keeps of it, and to what the caller gets.

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::Timestamp;
use portcullis_gate::{Decision, DecisionView, Outcome, Request, Sha256};
use portcullis_ledger::store::{Entry, HistoryAnswer, HistoryQuery, Idempotency, Payload, StoredPayload};
use portcullis_ledger::{Body, Event, FormatError, Recording, Salt, Time, record};
use uuid::Uuid;

/// A decision with its place in the ledger: the answer that a host gets.
#[derive(Clone, Debug)]
pub struct Recorded {
    id: Uuid,
    outcome: Outcome,
    valid_until: Option<Timestamp>,
    place: Place,
    json: Vec<u8>,
    request: Request,
    pub(crate) tries: u32,
}

/// Where a decision is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is durable in the ledger.
    Ledger {
        /// The index of its event.
        index: u64,
    },
    /// It is in the ledger since an earlier request with the same idempotency key.
    Repeated {
        /// The index of its event.
        index: u64,
    },
    /// This was a rehearsal.
    DryRun,
    /// It could not be recorded, and is a deny.
    Nowhere {
        /// Why, for the operator.
        reason: String,
    },
}

/// Permission to go on. Only [`Recorded::permission`] gives one, and only for a decision that proceeds, is durable in the
/// ledger, and still holds: whatever has effects asks for this value, so that a host that forgets to look at the decision does
/// not compile.
///
/// ```
/// # use portcullis::{Permission, Recorded};
/// fn deploy(permission: &Permission<'_>) { /* ... */ }
///
/// fn on(recorded: &Recorded) {
///     if let Some(permission) = recorded.permission() {
///         deploy(&permission);
///     }
/// }
/// ```
///
/// It cannot be made otherwise:
///
/// ```compile_fail,E0451
/// # use portcullis::{Permission, Recorded};
/// fn forge(recorded: &Recorded) -> Permission<'_> {
///     Permission { recorded, valid_until: portcullis::now() }
/// }
/// ```
///
/// nor from a decision that no ledger holds:
///
/// ```compile_fail,E0599
/// fn forge(set: &portcullis::PolicySet, request: &portcullis::Request) {
///     set.decide(request, &Default::default(), &Default::default()).permission();
/// }
/// ```
///
/// and it does not outlive its decision:
///
/// ```compile_fail,E0597
/// # use portcullis::{Permission, Recorded};
/// fn keep<'a>(decide: impl Fn() -> Recorded) -> Option<Permission<'a>> {
///     let recorded = decide();
///     let permission: Option<Permission<'a>> = recorded.permission();
///     permission
/// }
/// ```
#[derive(Debug)]
#[must_use = "permission is given to be asked for: hand it to what has effects"]
pub struct Permission<'r> {
    recorded: &'r Recorded,
    valid_until: Timestamp,
}

impl Permission<'_> {
    /// The decision that gives it.
    #[must_use]
    pub fn recorded(&self) -> &Recorded {
        self.recorded
    }

    /// Until when it holds, by the host's clock.
    #[must_use]
    pub fn valid_until(&self) -> Timestamp {
        self.valid_until
    }
}

impl Recorded {
    /// The decision's id.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The outcome.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Where it is kept.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The request as it was decided: masked, where the set masks anything of it.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Until when a decision that proceeds holds, by the host's clock.
    #[must_use]
    pub fn valid_until(&self) -> Option<Timestamp> {
        self.valid_until
    }

    /// How often it was decided: more than once where the history that policies count changed meanwhile, and 0 times where
    /// the ledger had it already.
    #[must_use]
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// The decision as JSON.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// Everything that explains the decision.
    ///
    /// # Errors
    /// The ledger holds a decision of another version of Portcullis, which this one cannot read.
    pub fn view(&self) -> Result<DecisionView<'_>, serde_json::Error> {
        DecisionView::parse(&self.json)
    }

    /// Permission to go on: where the decision proceeds, is durable in the ledger, and still holds by the host's clock. One
    /// that was made long ago under the same idempotency key gives none: what it rested on may be over.
    #[must_use]
    pub fn permission(&self) -> Option<Permission<'_>> {
        let durable = match self.place {
            Place::Ledger { .. } | Place::Repeated { .. } => true,
            Place::DryRun | Place::Nowhere { .. } => false,
        };
        let valid_until = self.valid_until.filter(|until| Timestamp::now() < *until)?;
        (durable && self.outcome.proceeds()).then_some(Permission { recorded: self, valid_until })
    }

    /// A decision that is not in the ledger.
    pub(crate) fn of(decision: &Decision, place: Place) -> Recorded {
        // A decision that cannot be written has nothing to show, and is never one that gives permission.
        Recorded::committed(decision, serde_json::to_vec(decision).unwrap_or_default(), place)
    }

    pub(crate) fn committed(decision: &Decision, json: Vec<u8>, place: Place) -> Recorded {
        let (id, outcome, valid_until) = (decision.id(), decision.outcome(), decision.valid_until());
        Recorded { id, outcome, valid_until, place, json, request: decision.request().clone(), tries: 1 }
    }

    /// A decision that was made before under the same idempotency key: the bytes that its event commits to, or none. The
    /// event has to name the key, and its decision the request: the index that led to it is not signed.
    pub(crate) fn repeated(
        index: u64,
        leaf: &[u8],
        payload: Option<StoredPayload>,
        key: Sha256,
        request: &Request,
    ) -> Result<Recorded, String> {
        let payload = match payload {
            Some(StoredPayload::Present(payload)) => payload,
            Some(StoredPayload::Erased { .. }) | None => {
                return Err(format!("the decision of this idempotency key (event {index}) was erased"));
            }
        };
        let event = Event::decode(leaf).map_err(|error| format!("event {index}: {error}"))?;
        match event.body {
            Body::Decision(body) if !body.decision.opens(&payload.salt, &payload.bytes) => {
                return Err(format!("event {index} does not commit to the decision that is stored with it"));
            }
            Body::Decision(body) if body.idempotency == Some(key) => {}
            _ => return Err(format!("event {index} was not made under this idempotency key")),
        }
        let json = payload.bytes;
        let view = DecisionView::parse(&json).map_err(|error| format!("event {index}: {error}"))?;
        if view.request_sha256 != request.sha256() {
            return Err(format!("event {index} decided another request"));
        }
        let valid_until = view.valid_until.as_ref().map(|until| until.parse()).transpose();
        let valid_until = valid_until.map_err(|error| format!("event {index}: {error}"))?;
        let id = view.id.ok_or_else(|| format!("the decision of event {index} has no id"))?;
        let outcome = view.outcome;
        let place = Place::Repeated { index };
        Ok(Recorded { id, outcome, valid_until, place, json, request: request.clone(), tries: 0 })
    }
}

/// What the ledger is given.
pub(crate) struct Kept {
    pub(crate) entry: Entry,
    /// The decision as it is stored.
    pub(crate) json: Vec<u8>,
}

/// The ledger's entry for a decision.
pub(crate) fn entry(
    decision: &Decision,
    data: &BTreeMap<String, BTreeMap<String, Sha256>>,
    idempotency: Option<Sha256>,
    started: Instant,
    expected_history: Vec<(HistoryQuery, HistoryAnswer)>,
) -> Result<Kept, FormatError> {
    let (request_salt, decision_salt) = (salt()?, salt()?);
    let request = decision.request();
    let recording = Recording {
        time: Time::new(Timestamp::now())?,
        request_salt: &request_salt,
        decision_salt: &decision_salt,
        idempotency,
        data,
        duration_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
    };
    let recorded = record(decision, &recording)?;
    let entry = Entry {
        request: Some(Payload { salt: request_salt, bytes: request.bytes().to_vec() }),
        decision: Some(Payload { salt: decision_salt, bytes: recorded.decision.clone() }),
        idempotency: idempotency.map(|key| Idempotency::new(key, request.bytes())),
        expected_history,
        ..Entry::of_recorded(&recorded)
    };
    Ok(Kept { entry, json: recorded.decision })
}

fn salt() -> Result<Salt, FormatError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| FormatError::malformed("salt", error.to_string()))?;
    Ok(Salt::new(bytes))
}
