//! DSSE envelopes (<https://github.com/secure-systems-lab/dsse/blob/master/protocol.md>).

use portcullis_policy::prelude::*;

use crate::key::{Key, decode};

/// A signed payload.
#[derive(FromJson)]
pub struct Envelope {
    /// What the payload is.
    #[json(rename = "payloadType")]
    pub payload_type: String,
    /// Base64.
    pub payload: String,
    /// Who vouches for it.
    pub signatures: Option<Vec<Signature>>,
}

/// One signature of an envelope.
#[derive(FromJson)]
pub struct Signature {
    /// A hint, not authenticated: which key to try first.
    pub keyid: Option<String>,
    /// Base64.
    pub sig: String,
}

/// What an envelope's signatures amount to.
pub enum Verified<'k> {
    /// The payload as this key signed it.
    By(&'k Key, Vec<u8>),
    /// No signature by any of the keys.
    ByNobody,
    /// Not base64.
    Malformed,
}

impl Envelope {
    /// Checks the envelope's own signatures and one that came beside it. The payload is only handed out when one of
    /// the keys signed it.
    pub fn verify<'k>(&self, beside: Option<&Signature>, keys: &'k [Key]) -> Verified<'k> {
        let Some(payload) = decode(&self.payload) else {
            return Verified::Malformed;
        };
        let message = encode(&self.payload_type, &payload);
        let signatures = || self.signatures.iter().flatten().chain(beside);
        let named = |signature: &Signature| keys.iter().find(|key| Some(&key.name) == signature.keyid.as_ref());
        // A key that is named is the only one to try. Where nobody knows the name, each key may be it: these come last,
        // because every attempt costs as much as all the rest.
        let certain = signatures().filter_map(|signature| Some((signature, named(signature)?)));
        let unnamed = signatures().filter(|signature| named(signature).is_none());
        let possible = unnamed.flat_map(|signature| keys.iter().map(move |key| (signature, key)));
        for (signature, key) in certain.chain(possible).take(MAX_TRIES) {
            let bytes = decode(&signature.sig).and_then(|bytes| <[u8; 64]>::try_from(bytes).ok());
            if bytes.is_some_and(|bytes| key.signed(&message, &bytes)) {
                return Verified::By(key, payload);
            }
        }
        Verified::ByNobody
    }
}

/// DSSE's pre-authentication encoding: what is signed.
fn encode(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut message = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    message.extend_from_slice(payload);
    message
}

/// More signatures than this are not tried.
const MAX_TRIES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_protocol() {
        let message = encode("http://example.com/HelloWorld", b"hello world");
        assert_eq!(message, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
        assert_eq!(encode("", b""), b"DSSEv1 0  0 ");
    }
}
