//! Envelopes that a log's key signs: one signature each, with the key's name and hash as `keyid`.

use portcullis_attest::{Envelope, IN_TOTO};

use crate::error::FormatError;
use crate::key::{SigningKey, VerifierKey};

pub(crate) fn sign(payload: Vec<u8>, key: &SigningKey) -> Envelope {
    Envelope::sign(payload, key.verifier().id(), |message| key.sign(message).to_vec())
}

/// The payload, where the key signed it as an in-toto statement.
pub(crate) fn open<'e>(envelope: &'e Envelope, key: &VerifierKey) -> Result<&'e [u8], FormatError> {
    if envelope.payload_type != IN_TOTO {
        return Err(FormatError::malformed(WHAT, "not an in-toto statement"));
    }
    let [signature] = envelope.signatures.as_slice() else {
        return Err(FormatError::malformed(WHAT, "not one signature"));
    };
    if signature.keyid != key.id() {
        return Err(FormatError::Unsigned { what: WHAT, key: key.id() });
    }
    if !key.signed(&envelope.message(), &signature.sig.0) {
        return Err(FormatError::Signature { what: WHAT, key: key.id() });
    }
    Ok(&envelope.payload.0)
}

const WHAT: &str = "envelope";

#[cfg(test)]
mod tests {
    use portcullis_attest::pre_authentication_encoding;

    use super::*;
    use crate::base64::Base64;

    #[test]
    fn opens_what_the_key_signed_as_that_type() {
        let key = SigningKey::from_seed("log", &[7; 32]).unwrap();
        let envelope = sign(b"{}".to_vec(), &key);
        assert_eq!(open(&envelope, key.verifier()), Ok(&b"{}"[..]));
        let other = SigningKey::from_seed("log", &[8; 32]).unwrap();
        assert!(matches!(open(&envelope, other.verifier()), Err(FormatError::Unsigned { .. })));

        let mut changed = envelope.clone();
        changed.payload.0.push(b' ');
        assert!(matches!(open(&changed, key.verifier()), Err(FormatError::Signature { .. })));
        let mut changed = envelope.clone();
        changed.payload_type = "text/plain".into();
        assert!(open(&changed, key.verifier()).is_err());
        // Properly signed, as something else.
        changed.signatures[0].sig = Base64(key.sign(&pre_authentication_encoding("text/plain", b"{}")).to_vec());
        let expected = FormatError::malformed(WHAT, "not an in-toto statement");
        assert_eq!(open(&changed, key.verifier()), Err(expected));
        let mut changed = envelope.clone();
        changed.signatures.clear();
        assert!(open(&changed, key.verifier()).is_err());
        let mut changed = envelope.clone();
        changed.signatures.extend(envelope.signatures.clone());
        assert!(open(&changed, key.verifier()).is_err());
        let mut changed = envelope;
        changed.signatures[0].sig.0.pop();
        assert!(matches!(open(&changed, key.verifier()), Err(FormatError::Signature { .. })));
    }
}
