//! Requests that were decided before, under the same idempotency key.

use std::time::Duration;

use portcullis_gate::{Request, Sha256};
use portcullis_ledger::store::{Idempotency, StoredPayload};
use portcullis_ledger::{Appended, Checkpoint, Ledger, StoreError, keyed_digest, leaf_hash, verify_inclusion};

use super::{DecideError, Gate};
use crate::{DecideOptions, Recorded};

/// How long to wait for the checkpoint of an event that was committed just now.
const CHECKPOINT_WAIT: Duration = Duration::from_secs(5);

impl Gate {
    /// The decision that was made before under the same idempotency key. Where that cannot be told, the request is decided,
    /// and the ledger tells when it appends.
    pub(super) fn earlier(&self, request: &Request, options: &DecideOptions) -> Result<Option<Recorded>, DecideError> {
        let (Some(ledger), Some(key)) = (&self.ledger, self.idempotency_key(options)) else { return Ok(None) };
        match ledger.used(&Idempotency::new(key, request.bytes())) {
            Ok(Some(Appended::Conflict { index })) => Err(DecideError::Conflict { index }),
            Ok(Some(Appended::Repeated { index, decision })) => {
                Ok(repeated(ledger, index, decision, key, request).ok())
            }
            Ok(_) | Err(_) => Ok(None),
        }
    }

    pub(super) fn idempotency_key(&self, options: &DecideOptions) -> Option<Sha256> {
        options.idempotency_key.as_ref().map(|key| keyed_digest(self.idempotency.as_bytes(), key.as_bytes()))
    }
}

/// What an event and the bytes that are stored with it say, as the answer to a request that repeats one.
pub(super) fn repeated(
    ledger: &Ledger,
    index: u64,
    decision: Option<StoredPayload>,
    key: Sha256,
    request: &Request,
) -> Result<Recorded, String> {
    proven(ledger, index).and_then(|leaf| Recorded::repeated(index, &leaf, decision, key, request))
}

/// The event of that index, proven to be in the tree that this process signed: rows of the file are not believed.
fn proven(ledger: &Ledger, index: u64) -> Result<Vec<u8>, String> {
    let prove = || -> Result<Vec<u8>, StoreError> {
        let reader = ledger.reader()?;
        let missing = || StoreError::Damaged { problem: format!("event {index} is missing") };
        let leaf = reader.with(|store| store.leaf(index))?.ok_or_else(missing)?;
        let note = ledger.checkpoint_of(index.saturating_add(1), CHECKPOINT_WAIT)?;
        let damaged = |problem: String| StoreError::Damaged { problem: format!("event {index}: {problem}") };
        let checkpoint = Checkpoint::open(&note, ledger.verifier_key()).map_err(|error| damaged(error.to_string()))?;
        let proof = reader.prove_inclusion(index, checkpoint.size())?;
        verify_inclusion(&leaf_hash(&leaf), index, checkpoint.size(), &proof, &checkpoint.root())
            .map_err(|error| damaged(error.to_string()))?;
        Ok(leaf)
    };
    prove().map_err(|error| error.to_string())
}
