//! [DSSE](https://github.com/secure-systems-lab/dsse) envelopes: a payload, its type, signatures over both.

use serde::{Deserialize, Serialize};

use crate::base64::Base64;

/// An envelope, read but not yet believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// What is signed.
    pub payload: Base64,
    /// What it is.
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// The signatures over both.
    pub signatures: Vec<Signature>,
}

/// One signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// A hint at the key; empty where the signer gave none. Not signed.
    #[serde(default)]
    pub keyid: String,
    /// The signature.
    pub sig: Base64,
}

/// The payload type of in-toto statements.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

impl Envelope {
    /// An envelope of an in-toto statement with one signature: `sign` gets the message.
    #[must_use]
    pub fn sign(payload: Vec<u8>, keyid: String, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> Envelope {
        let sig = Base64(sign(&pre_authentication_encoding(IN_TOTO, &payload)));
        let signatures = vec![Signature { keyid, sig }];
        Envelope { payload: Base64(payload), payload_type: IN_TOTO.to_owned(), signatures }
    }

    /// The message that its signatures are of.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        pre_authentication_encoding(&self.payload_type, &self.payload.0)
    }
}

/// What is signed: type and payload, each with its length, so that no two pairs look alike.
#[must_use]
pub fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

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
    fn lengths_are_of_bytes() {
        assert_eq!(pre_authentication_encoding("é", "ü".as_bytes()), "DSSEv1 2 é 2 ü".as_bytes());
    }
}
