//! [Sigstore bundles](https://docs.sigstore.dev/about/bundle/) v0.3 with a hint at a public key.

use portcullis_gate::{Document, PublicKey, Sha256};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::dsse::{Envelope, IN_TOTO};
use crate::evidence::{Claim, Evidence, EvidenceError};
use crate::key::PrivateKey;

/// Largest bundle, in bytes.
pub const MAX_BUNDLE_BYTES: usize = 1024 * 1024;

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// A bundle, read but not yet believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    file: File,
    sha256: Sha256,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct File {
    media_type: String,
    verification_material: Material,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dsse_envelope: Option<Envelope>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message_signature: Option<Value>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Material {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public_key: Option<Hint>,
    // What follows is read over: it proves nothing here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x509_certificate_chain: Option<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tlog_entries: Vec<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamp_verification_data: Option<Value>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hint {
    #[serde(default)]
    hint: String,
}

impl Bundle {
    /// Signs a statement. The key's id is the hint and the envelope's key id.
    #[must_use]
    pub fn sign(statement: Vec<u8>, key: &PrivateKey) -> Vec<u8> {
        let hint = key.public().id().to_string();
        let file = File {
            media_type: MEDIA_TYPE.to_owned(),
            verification_material: Material {
                public_key: Some(Hint { hint: hint.clone() }),
                certificate: None,
                x509_certificate_chain: None,
                tlog_entries: Vec::new(),
                timestamp_verification_data: None,
            },
            dsse_envelope: Some(Envelope::sign(statement, hint, |message| key.sign(message))),
            message_signature: None,
        };
        // Maps of it have keys that are text: it can always be written.
        serde_json::to_vec(&file).unwrap_or_default()
    }

    /// Reads a bundle. It says nothing before [`Bundle::verify`].
    ///
    /// # Errors
    /// [`EvidenceError`]: it is too large, malformed, or of a kind that proves nothing here.
    pub fn parse(bytes: &[u8]) -> Result<Bundle, EvidenceError> {
        if bytes.len() > MAX_BUNDLE_BYTES {
            return Err(EvidenceError::TooLarge { bytes: bytes.len() as u64 });
        }
        let malformed = |problem: String| EvidenceError::Malformed { problem };
        // One reading: no duplicate keys, bounded depth.
        Document::parse(bytes).map_err(|error| malformed(error.to_string()))?;
        let file: File = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        if file.media_type != MEDIA_TYPE {
            return Err(EvidenceError::MediaType { found: file.media_type });
        }
        let material = &file.verification_material;
        if material.certificate.is_some() || material.x509_certificate_chain.is_some() {
            return Err(EvidenceError::Certificate);
        }
        let Some(Hint { hint }) = &material.public_key else {
            return Err(malformed("it has no hint at a public key".into()));
        };
        if file.message_signature.is_some() {
            return Err(malformed("it signs a message, not an in-toto statement".into()));
        }
        let Some(envelope) = &file.dsse_envelope else { return Err(malformed("it has no envelope".into())) };
        let [signature] = envelope.signatures.as_slice() else {
            return Err(malformed(format!("it has {} signatures, not one", envelope.signatures.len())));
        };
        if !signature.keyid.is_empty() && signature.keyid != *hint {
            return Err(malformed("the envelope's key id is not the hint".into()));
        }
        Ok(Bundle { sha256: Sha256::of(bytes), file })
    }

    /// Of the bundle's bytes.
    #[must_use]
    pub fn sha256(&self) -> Sha256 {
        self.sha256
    }

    /// What it hints at as its key. Not signed: whoever wrote the file wrote it.
    #[must_use]
    pub fn hint(&self) -> &str {
        self.file.verification_material.public_key.as_ref().map_or("", |key| &key.hint)
    }

    /// What it says, whoever signed it, if anyone did.
    ///
    /// # Errors
    /// [`EvidenceError`]: it is neither a signature nor a review of a policy.
    pub fn claim(&self) -> Result<Claim, EvidenceError> {
        Claim::read(self.envelope()?.payload.0.as_slice())
    }

    /// Checks that one of the keys signed it, and that it is about that module.
    ///
    /// # Errors
    /// [`EvidenceError`]: the first thing that is not so.
    pub fn verify<'k>(
        &self,
        module: Sha256,
        keys: impl IntoIterator<Item = &'k PublicKey>,
    ) -> Result<Evidence, EvidenceError> {
        let envelope = self.envelope()?;
        let message = envelope.message();
        let mut named = None;
        let signed = keys.into_iter().find(|key| {
            if key.id().to_string() == self.hint() {
                named = Some(key.id());
            }
            envelope.signatures.iter().any(|signature| key.signed(&message, &signature.sig.0))
        });
        let Some(key) = signed else {
            return Err(match named {
                Some(key) => EvidenceError::Signature { key },
                None => EvidenceError::UnknownKey { hint: self.hint().to_owned() },
            });
        };
        Evidence::new(self.claim()?, module, key.clone(), self.sha256)
    }

    fn envelope(&self) -> Result<&Envelope, EvidenceError> {
        let missing = || EvidenceError::Malformed { problem: "it has no envelope".into() };
        let envelope = self.file.dsse_envelope.as_ref().ok_or_else(missing)?;
        if envelope.payload_type != IN_TOTO {
            return Err(EvidenceError::PayloadType { found: envelope.payload_type.clone() });
        }
        Ok(envelope)
    }
}
