//! [DSSE](https://github.com/secure-systems-lab/dsse) envelopes: a payload, its type, a signature over both.

use serde::{Deserialize, Serialize};

use crate::base64::Base64;
use crate::error::FormatError;
use crate::key::{SigningKey, VerifierKey};

/// An envelope of one signature. `keyid` is the key's name and hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Envelope {
    payload: Base64,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    keyid: String,
    sig: Base64,
}

/// The payload type of in-toto statements.
pub(crate) const IN_TOTO: &str = "application/vnd.in-toto+json";

impl Envelope {
    pub(crate) fn sign(payload: Vec<u8>, key: &SigningKey) -> Envelope {
        let sig = Base64(key.sign(&pre_authentication_encoding(IN_TOTO, &payload)).to_vec());
        let signatures = vec![Signature { keyid: key.verifier().id(), sig }];
        Envelope { payload: Base64(payload), payload_type: IN_TOTO.to_owned(), signatures }
    }

    /// The payload, where the key signed it as an in-toto statement.
    pub(crate) fn open(&self, key: &VerifierKey) -> Result<&[u8], FormatError> {
        if self.payload_type != IN_TOTO {
            return Err(FormatError::malformed(WHAT, "not an in-toto statement"));
        }
        let [Signature { keyid, sig }] = self.signatures.as_slice() else {
            return Err(FormatError::malformed(WHAT, "not one signature"));
        };
        if *keyid != key.id() {
            return Err(FormatError::Unsigned { what: WHAT, key: key.id() });
        }
        if !key.signed(&pre_authentication_encoding(&self.payload_type, &self.payload.0), &sig.0) {
            return Err(FormatError::Signature { what: WHAT, key: key.id() });
        }
        Ok(&self.payload.0)
    }
}

/// What is signed: type and payload, each with its length, so that no two pairs look alike.
fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

const WHAT: &str = "envelope";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_as_published() {
        // The test vector in `protocol.md` of the specification.
        let encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world");
        assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn opens_what_the_key_signed_as_that_type() {
        let key = SigningKey::from_seed("log", &[7; 32]).unwrap();
        let envelope = Envelope::sign(b"{}".to_vec(), &key);
        assert_eq!(envelope.open(key.verifier()), Ok(&b"{}"[..]));
        let other = SigningKey::from_seed("log", &[8; 32]).unwrap();
        assert!(matches!(envelope.open(other.verifier()), Err(FormatError::Unsigned { .. })));

        let mut changed = envelope.clone();
        changed.payload.0.push(b' ');
        assert!(matches!(changed.open(key.verifier()), Err(FormatError::Signature { .. })));
        let mut changed = envelope.clone();
        changed.payload_type = "text/plain".into();
        assert!(changed.open(key.verifier()).is_err());
        // Properly signed, as something else.
        changed.signatures[0].sig = Base64(key.sign(&pre_authentication_encoding("text/plain", b"{}")).to_vec());
        let expected = FormatError::malformed(WHAT, "not an in-toto statement");
        assert_eq!(changed.open(key.verifier()), Err(expected));
        let mut changed = envelope.clone();
        changed.signatures.clear();
        assert!(changed.open(key.verifier()).is_err());
        let mut changed = envelope.clone();
        changed.signatures.extend(envelope.signatures.clone());
        assert!(changed.open(key.verifier()).is_err());
        let mut changed = envelope;
        changed.signatures[0].sig.0.pop();
        assert!(matches!(changed.open(key.verifier()), Err(FormatError::Signature { .. })));
    }
}
