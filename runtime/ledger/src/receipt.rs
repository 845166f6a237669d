//! Receipts: what a log says of one decision, for whoever has nothing but the log's public key.
//!
//! A receipt is two [DSSE](https://github.com/secure-systems-lab/dsse) envelopes that the log's key signed: the whole
//! decision with the proof that its event is in the log, and a summary of it. It is canonical JSON itself, so that a
//! receipt has one spelling.

use portcullis_attest::Envelope;
use portcullis_gate::{Outcome, Sha256};
use serde::{Deserialize, Serialize};

use crate::base64::Base64;
use crate::canonical::{self, Numbers};
use crate::checkpoint::Checkpoint;
use crate::commitment::Salt;
use crate::dsse;
use crate::error::{FormatError, VerifyError};
use crate::event::{Body, DecisionBody, Event, Facts};
use crate::key::{SigningKey, VerifierKey};
use crate::proof::verify_inclusion;
use crate::statement::{DecisionPredicate, DecisionStatement, Place, decision_statement, mismatch, summary};
use crate::tree::leaf_hash;

/// Longest decision, in bytes of canonical JSON.
pub const MAX_DECISION_BYTES: usize = 16 * 1024 * 1024;
/// Longest receipt, in bytes: a decision in base64, and what comes with it.
pub const MAX_RECEIPT_BYTES: usize = 24 * 1024 * 1024;

/// A receipt, read but not yet believed.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use portcullis_ledger::{Receipt, VerifierKey};
///
/// let key: VerifierKey = std::fs::read_to_string("log.vkey")?.trim_end().parse()?;
/// let verified = Receipt::from_bytes(&std::fs::read("receipt.json")?)?.verify(&key)?;
/// println!("{}, event {} of {}", verified.outcome(), verified.index(), verified.checkpoint().origin());
/// # Ok(())
/// # }
/// ```
///
/// What it proves cannot be made otherwise:
///
/// ```compile_fail,E0451
/// # use portcullis_ledger::{Event, Checkpoint, Verified};
/// # use portcullis_gate::Outcome;
/// fn forge(event: Event, checkpoint: Checkpoint) -> Verified {
///     Verified { event, outcome: Outcome::Allow, index: 0, checkpoint, decision: Vec::new() }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    file: File,
}

/// Where the event of a decision is in the log, and what proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The event's number.
    pub index: u64,
    /// The event's bytes.
    pub leaf: Vec<u8>,
    /// Its inclusion proof in the checkpoint's tree.
    pub proof: Vec<Sha256>,
    /// The checkpoint, a signed note.
    pub checkpoint: String,
}

/// What a receipt proves. Only [`Receipt::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    event: Event,
    outcome: Outcome,
    index: u64,
    checkpoint: Checkpoint,
    decision: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "type")]
    kind: String,
    decision: Envelope,
    summary: Envelope,
}

impl Receipt {
    /// Issues the receipt of a decision. `decision` are the bytes that the event commits to under `salt`.
    ///
    /// # Errors
    /// [`VerifyError`] where the receipt would not verify: nothing false is signed and given away.
    pub fn issue(decision: &[u8], salt: &Salt, evidence: &Evidence, key: &SigningKey) -> Result<Receipt, VerifyError> {
        let place = Place {
            origin: key.verifier().name().to_owned(),
            index: evidence.index,
            leaf: Base64(evidence.leaf.clone()),
            proof: evidence.proof.iter().map(|hash| Base64(hash.as_bytes().to_vec())).collect(),
            checkpoint: evidence.checkpoint.clone(),
        };
        let facts = Facts::of(decision)?;
        let value = canonical::decode("decision", decision, Numbers::All, MAX_DECISION_BYTES)?;
        let predicate = DecisionPredicate { decision: value, salt: salt.clone(), ledger: place };
        let statement = decision_statement(facts.request_sha256, predicate);
        let payload = canonical::encode(WHAT, &statement, Numbers::All, MAX_RECEIPT_BYTES)?;
        let proven = prove(&payload, key.verifier())?;
        let file = File {
            kind: KIND.to_owned(),
            decision: dsse::sign(payload, key),
            summary: dsse::sign(proven.summary, key),
        };
        let receipt = Receipt { file };
        receipt.verify(key.verifier())?;
        Ok(receipt)
    }

    /// Reads a receipt. It says nothing before [`Receipt::verify`].
    ///
    /// # Errors
    /// [`FormatError`]: not a receipt in its one spelling.
    pub fn from_bytes(bytes: &[u8]) -> Result<Receipt, FormatError> {
        let file: File = canonical::decode(WHAT, bytes, Numbers::Integers, MAX_RECEIPT_BYTES)?;
        if file.kind != KIND {
            return Err(FormatError::malformed(WHAT, "another type"));
        }
        Ok(Receipt { file })
    }

    /// The receipt's bytes.
    ///
    /// # Errors
    /// [`FormatError::TooLarge`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, FormatError> {
        canonical::encode(WHAT, &self.file, Numbers::Integers, MAX_RECEIPT_BYTES)
    }

    /// The envelope of the decision alone, as JSON: for tools that know DSSE and in-toto.
    ///
    /// # Errors
    /// [`FormatError::TooLarge`].
    pub fn decision_envelope(&self) -> Result<Vec<u8>, FormatError> {
        canonical::encode(WHAT, &self.file.decision, Numbers::Integers, MAX_RECEIPT_BYTES)
    }

    /// The envelope of the SLSA verification summary alone, as JSON.
    ///
    /// # Errors
    /// [`FormatError::TooLarge`].
    pub fn summary_envelope(&self) -> Result<Vec<u8>, FormatError> {
        canonical::encode(WHAT, &self.file.summary, Numbers::Integers, MAX_RECEIPT_BYTES)
    }

    /// Checks everything that the receipt says, offline: that the key signed both statements; that the event is in the
    /// log that the checkpoint describes, and is a decision; that it commits to the decision in the receipt and says
    /// the same; that the summary is that of the decision.
    ///
    /// # Errors
    /// [`VerifyError`]: the first thing that is not so.
    pub fn verify(&self, key: &VerifierKey) -> Result<Verified, VerifyError> {
        let proven = prove(dsse::open(&self.file.decision, key)?, key)?;
        if dsse::open(&self.file.summary, key)? != proven.summary {
            return Err(VerifyError::Mismatch { what: "the summary", reference: "the decision" });
        }
        Ok(proven.verified)
    }
}

impl Verified {
    /// The event.
    #[must_use]
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The outcome.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Whether the decision proceeds.
    #[must_use]
    pub fn proceeds(&self) -> bool {
        self.outcome.proceeds()
    }

    /// The event's number in the log.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The state of the log that the event is proved to be in.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The whole decision, in canonical JSON.
    #[must_use]
    pub fn decision(&self) -> &[u8] {
        &self.decision
    }
}

struct Proven {
    verified: Verified,
    /// The bytes of the only summary that fits.
    summary: Vec<u8>,
}

/// Checks a statement about a decision against the log that it names.
fn prove(payload: &[u8], key: &VerifierKey) -> Result<Proven, VerifyError> {
    let differs = |what, reference| VerifyError::Mismatch { what, reference };
    let statement: DecisionStatement = canonical::decode("statement", payload, Numbers::All, MAX_RECEIPT_BYTES)?;
    let DecisionPredicate { decision, salt, ledger } = &statement.predicate;
    if ledger.origin != key.name() {
        return Err(differs("the ledger's origin", "the key"));
    }
    let checkpoint = Checkpoint::open(&ledger.checkpoint, key)?;
    let proof = hashes(&ledger.proof)?;
    let (leaf, root) = (leaf_hash(&ledger.leaf.0), checkpoint.root());
    verify_inclusion(&leaf, ledger.index, checkpoint.size(), &proof, &root)?;

    let event = Event::decode(&ledger.leaf.0)?;
    let body = decision_of(&event).ok_or_else(|| differs("the event", "a decision"))?;
    let decision = canonical::encode("decision", decision, Numbers::All, MAX_DECISION_BYTES)?;
    if !body.decision.opens(salt, &decision) {
        return Err(differs("the decision", "the event's commitment"));
    }
    let facts = Facts::of(&decision)?;
    if let Some(what) = facts.mismatch(&event, body) {
        return Err(differs(what, "the event"));
    }
    if let Some(what) = mismatch(&statement, facts.request_sha256) {
        return Err(differs(what, "the decision"));
    }
    let summary = summary(key.name(), ledger.index, &event, body, &facts, Sha256::of(payload));
    let summary = canonical::encode("summary", &summary, Numbers::Integers, MAX_RECEIPT_BYTES)?;
    let (outcome, index) = (body.outcome, ledger.index);
    Ok(Proven { verified: Verified { event, outcome, index, checkpoint, decision }, summary })
}

fn decision_of(event: &Event) -> Option<&DecisionBody> {
    match &event.body {
        Body::Decision(body) => Some(body),
        Body::PolicySetActivated(_)
        | Body::PolicyReviewed(_)
        | Body::ReplayChecked(_)
        | Body::RequestErased(_)
        | Body::KeyRotated(_) => None,
    }
}

fn hashes(proof: &[Base64]) -> Result<Vec<Sha256>, FormatError> {
    let hash = |base64: &Base64| base64.0.as_slice().try_into().ok().map(Sha256::from_bytes);
    let hashes: Option<Vec<_>> = proof.iter().map(hash).collect();
    hashes.ok_or_else(|| FormatError::malformed("proof", "a hash is not 32 bytes"))
}

const WHAT: &str = "receipt";
const KIND: &str = "https://portcullis.dev/receipt/v1";

#[cfg(test)]
mod tests;
