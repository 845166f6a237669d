//! One event: what it says, against what is stored beside it.

use std::collections::HashSet;

use uuid::Uuid;

use super::{MAX_PROBLEMS, Problem, ProblemCode};
use crate::Sha256;
use crate::commitment::Commitment;
use crate::event::{Body, DecisionBody, Decoder, Event, Facts, RequestFacts};
use crate::store::{Erasure, EventRow, Idempotency, ListedDecision, Role, StoredPayload, references_of};

/// What is stored beside an event.
pub(super) struct Beside {
    pub(super) payloads: Vec<(Role, StoredPayload)>,
    pub(super) decision: Option<ListedDecision>,
    pub(super) key: Option<Idempotency>,
}

/// An event, its columns, and what is stored beside it.
pub(super) type Item = (u64, EventRow, Beside);

/// What single events say, and what is wrong with them.
#[derive(Default)]
pub(super) struct Judged {
    pub(super) problems: Vec<(u64, Problem)>,
    pub(super) left_out: u64,
    /// Events that were compared.
    pub(super) count: u64,
    pub(super) references: HashSet<Sha256>,
    /// Payloads that are erased, and those of which an event says so.
    pub(super) erased: HashSet<(u64, Role)>,
    pub(super) said: HashSet<(u64, Role)>,
    /// Events that say so: their index, and the index and the id of the decision.
    pub(super) erasers: Vec<(u64, u64, Uuid)>,
    decoder: Decoder,
}

impl Judged {
    pub(super) fn of(chunks: impl Iterator<Item = Vec<Item>>) -> Judged {
        let mut judged = Judged::default();
        chunks.for_each(|items| judged.judge(items));
        judged
    }

    pub(super) fn judge(&mut self, items: Vec<Item>) {
        for (index, row, beside) in items {
            self.event(index, &row, &beside);
            self.count += 1;
        }
    }

    fn add(&mut self, index: u64, code: ProblemCode, detail: impl Into<String>) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push((index, Problem { code, at: format!("event {index}"), detail: detail.into() }));
        } else {
            self.left_out += 1;
        }
    }

    pub(super) fn merge(&mut self, other: Judged) {
        self.problems.extend(other.problems);
        self.left_out += other.left_out;
        self.count += other.count;
        self.references.extend(other.references);
        self.erased.extend(other.erased);
        self.said.extend(other.said);
        self.erasers.extend(other.erasers);
    }

    fn event(&mut self, index: u64, row: &EventRow, beside: &Beside) {
        let (event, repeated) = match self.decoder.decode(&row.leaf) {
            Ok(read) => read,
            Err(error) => return self.add(index, ProblemCode::Event, error.to_string()),
        };
        let expected = EventRow::of(&event, Vec::new());
        if (row.id, &row.kind, row.time) != (expected.id, &expected.kind, expected.time) {
            self.add(index, ProblemCode::Index, "its id, type or time is stored differently");
        }
        let decision = expected.columns.map(|columns| ListedDecision { index, columns });
        if beside.decision != decision {
            self.add(index, ProblemCode::Index, "the index of decisions says something else");
        }
        if !repeated {
            self.references.extend(references_of(&event));
        }
        match &event.body {
            Body::Decision(body) => self.decision(index, &event, body, beside),
            Body::RequestErased(body) => {
                let erasure = Erasure::of(body);
                self.erasers.push((index, erasure.index, erasure.id));
                if erasure.index >= index {
                    self.add(index, ProblemCode::Erasure, "it erases something later");
                }
                self.said.extend(erasure.parts.iter().map(|part| (erasure.index, *part)));
            }
            Body::PolicySetActivated(_) | Body::PolicyReviewed(_) | Body::ReplayChecked(_) | Body::KeyRotated(_) => {}
        }
        if !matches!(event.body, Body::Decision(_)) && (!beside.payloads.is_empty() || beside.key.is_some()) {
            self.add(index, ProblemCode::Index, "it is no decision, but has a payload or a key");
        }
    }

    fn decision(&mut self, index: u64, event: &Event, body: &DecisionBody, beside: &Beside) {
        let commitments: [(Role, &Commitment); 2] = [(Role::Request, &body.request), (Role::Decision, &body.decision)];
        let (mut request, mut decision) = (None, None);
        for (role, commitment) in commitments {
            let found: Vec<&StoredPayload> =
                beside.payloads.iter().filter(|(found, _)| *found == role).map(|(_, payload)| payload).collect();
            match found.as_slice() {
                [StoredPayload::Present(payload)] => {
                    if !commitment.opens(&payload.salt, &payload.bytes) {
                        self.add(index, ProblemCode::Payload, format!("not the {} of the event", role.as_str()));
                    }
                    match role {
                        Role::Request => request = Some(payload.bytes.as_slice()),
                        Role::Decision => decision = Some(payload.bytes.as_slice()),
                    }
                }
                [StoredPayload::Erased { bytes }] => {
                    if u64::try_from(*bytes).ok() != Some(commitment.bytes) {
                        let detail = format!("the erased {} has another length", role.as_str());
                        self.add(index, ProblemCode::Payload, detail);
                    }
                    self.erased.insert((index, role));
                }
                _ => self.add(index, ProblemCode::Missing, format!("its {} is not stored", role.as_str())),
            }
        }
        if let Some(problem) = says(event, body, request, decision) {
            self.add(index, ProblemCode::Payload, problem);
        }
        let expected = body.idempotency.map(|key| match request {
            Some(request) => Idempotency::new(key, request),
            None => Idempotency { key, request: Idempotency::ERASED },
        });
        if beside.key != expected {
            self.add(index, ProblemCode::Index, "its idempotency key is stored differently");
        }
    }
}

/// What an event says that is not so by what it commits to.
fn says(event: &Event, body: &DecisionBody, request: Option<&[u8]>, decision: Option<&[u8]>) -> Option<String> {
    let differs = |what: &str, role: Role| format!("its {what} is not what the {} says", role.as_str());
    if let Some(request) = request {
        match RequestFacts::of(request) {
            Err(error) => return Some(error.to_string()),
            Ok(facts) => {
                if let Some(what) = facts.mismatch(body) {
                    return Some(differs(what, Role::Request));
                }
            }
        }
    }
    let facts = match Facts::of(decision?) {
        Err(error) => return Some(error.to_string()),
        Ok(facts) => facts,
    };
    if let Some(what) = facts.mismatch(event, body) {
        return Some(differs(what, Role::Decision));
    }
    request
        .filter(|request| Sha256::of(request) != facts.request_sha256)
        .map(|_| "the decision is of another request".into())
}
