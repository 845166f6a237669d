//! What a receipt says, as [in-toto statements](https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md):
//! the whole decision with its place in the log, and a
//! [SLSA verification summary](https://slsa.dev/spec/v1.0/verification_summary) for whoever asks nothing else.

use portcullis_attest::{Descriptor, STATEMENT, Statement};
use portcullis_gate::Sha256;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::base64::Base64;
use crate::commitment::Salt;
use crate::event::{DecisionBody, Event, Facts};

/// The predicate type of a decision with its place in the log.
pub const DECISION_PREDICATE: &str = "https://portcullis.dev/attestation/decision/v1";
/// The predicate type of a SLSA verification summary.
pub const SUMMARY_PREDICATE: &str = "https://slsa.dev/verification_summary/v1";

pub(crate) type DecisionStatement = Statement<DecisionPredicate>;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DecisionPredicate {
    /// The decision.
    pub decision: Value,
    /// The salt of the event's commitment to it.
    pub salt: Salt,
    pub ledger: Place,
}

/// Where the decision's event is in the log.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    pub origin: String,
    pub index: u64,
    pub leaf: Base64,
    /// The inclusion proof.
    pub proof: Vec<Base64>,
    /// The signed note.
    pub checkpoint: String,
}

pub(crate) fn decision_statement(request: Sha256, predicate: DecisionPredicate) -> DecisionStatement {
    Statement::new(REQUEST, request, DECISION_PREDICATE, predicate)
}

/// The first thing that is not as [`decision_statement`] makes it.
pub(crate) fn mismatch(statement: &DecisionStatement, request: Sha256) -> Option<&'static str> {
    let checks = [
        ("_type", statement.kind == STATEMENT),
        ("predicateType", statement.predicate_type == DECISION_PREDICATE),
        ("subject", statement.subject == subject(request)),
    ];
    checks.into_iter().find(|(_, same)| !same).map(|(what, _)| what)
}

/// The summary of a decision: made anew when a receipt is verified, and compared as a whole. It claims no SLSA level:
/// what was evaluated is a policy set, so a decision that proceeds has a level of its own name.
pub(crate) fn summary(
    origin: &str,
    index: u64,
    event: &Event,
    body: &DecisionBody,
    facts: &Facts<'_>,
    of: Sha256,
) -> Value {
    let (result, level) = if body.proceed {
        ("PASSED", format!("PORTCULLIS_{}", body.outcome.as_str().to_uppercase()))
    } else {
        ("FAILED", "FAILED".to_owned())
    };
    let mut predicate = json!({
        "verifier": {
            "id": format!("https://{}", percent_encoded(origin, "/:")),
            "version": { "engine": body.engine.version },
        },
        "timeVerified": body.now,
        "resourceUri": format!(
            "portcullis:resource:{}:{}",
            percent_encoded(&body.resource.kind, ""),
            percent_encoded(&body.resource.id, ""),
        ),
        "policy": {
            "uri": format!("portcullis:policy-set:{}", percent_encoded(&body.policy_set.name, "")),
            "digest": { "sha256": body.policy_set.sha256 },
        },
        "inputAttestations": [{
            "uri": format!("portcullis:decision:{}", event.id),
            "digest": { "sha256": of },
        }],
        "verificationResult": result,
        "verifiedLevels": [level],
        "slsaVersion": "1.0",
        "https://portcullis.dev/vsa/outcome": body.outcome,
        "https://portcullis.dev/vsa/degraded": body.degraded,
        "https://portcullis.dev/vsa/ledger": { "origin": origin, "index": index },
    });
    if let (Some(until), Some(members)) = (body.valid_until, predicate.as_object_mut()) {
        members.insert("https://portcullis.dev/vsa/valid-until".to_owned(), json!(until));
    }
    json!({
        "_type": STATEMENT,
        "subject": subject(facts.request_sha256),
        "predicateType": SUMMARY_PREDICATE,
        "predicate": predicate,
    })
}

/// What was decided about: the request's bytes.
fn subject(request: Sha256) -> Vec<Descriptor> {
    vec![Descriptor::new(REQUEST, request)]
}

/// [RFC 3986, section 2.1](https://www.rfc-editor.org/rfc/rfc3986#section-2.1): all but unreserved characters and `also`.
fn percent_encoded(text: &str, also: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let char = char::from(byte);
        if char.is_ascii_alphanumeric() || "-._~".contains(char) || (char.is_ascii() && also.contains(char)) {
            out.push(char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

const REQUEST: &str = "request";
