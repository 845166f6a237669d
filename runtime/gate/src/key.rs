use std::fmt;

use ed25519_dalek::pkcs8::{DecodePublicKey as _, EncodePublicKey as _, spki::der::pem::LineEnding};
use ed25519_dalek::{Signature, VerifyingKey};

use crate::digest::Sha256;

/// A public Ed25519 key, as manifests name it: of whoever signs or reviews modules.
///
/// Its text form is PEM of a SubjectPublicKeyInfo ([RFC 8410](https://www.rfc-editor.org/rfc/rfc8410)), as
/// `openssl pkey -pubout` writes it.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: VerifyingKey,
    id: Sha256,
}

impl PublicKey {
    /// Reads PEM, or the one line of base64 that it is made of.
    ///
    /// # Errors
    /// What is wrong with it; nothing of the text is in the message.
    pub fn parse(text: &str) -> Result<PublicKey, &'static str> {
        let text = text.trim();
        if text.len() > MAX_PUBLIC_KEY_BYTES {
            return Err("longer than a public key");
        }
        if text.contains("PRIVATE KEY") {
            return Err("a private key; give the public one");
        }
        let wrapped = (!text.contains("-----")).then(|| format!("{BEGIN}\n{text}\n{END}"));
        let key = VerifyingKey::from_public_key_pem(wrapped.as_deref().unwrap_or(text));
        PublicKey::of(key.map_err(|_| "not the PEM of an Ed25519 public key (-----BEGIN PUBLIC KEY-----)")?)
    }

    /// The key of those 32 bytes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<PublicKey, &'static str> {
        PublicKey::of(VerifyingKey::from_bytes(bytes).map_err(|_| "not a point of the curve")?)
    }

    fn of(key: VerifyingKey) -> Result<PublicKey, &'static str> {
        if key.is_weak() {
            return Err("a key of small order, under which anything is signed");
        }
        let der = key.to_public_key_der().map_err(|_| "a key that cannot be written")?;
        Ok(PublicKey { key, id: Sha256::of(der.as_bytes()) })
    }

    /// sha256 of the SubjectPublicKeyInfo in DER: tells keys apart without being one.
    #[must_use]
    pub fn id(&self) -> Sha256 {
        self.id
    }

    /// The 32 bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// PEM, with a line feed at its end.
    #[must_use]
    pub fn to_pem(&self) -> String {
        // It was written to make the id.
        self.key.to_public_key_pem(LineEnding::LF).unwrap_or_default()
    }

    /// Whether the key signed that: the strict rules, under which each message has one signature of a key.
    #[must_use]
    pub fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id)
    }
}

/// Largest text of a public key, in bytes.
pub const MAX_PUBLIC_KEY_BYTES: usize = 1024;

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8410, section 10.1.
    const PUBLISHED: &str = "\
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
";

    #[test]
    fn the_published_key_is_read_and_written() {
        let key = PublicKey::parse(PUBLISHED).unwrap();
        assert_eq!(key.to_pem(), PUBLISHED);
        assert_eq!(PublicKey::parse(PUBLISHED.lines().nth(1).unwrap()).unwrap(), key);
        assert_eq!(PublicKey::from_bytes(key.as_bytes()).unwrap(), key);
        // The twelve bytes that say what key it is, and the key.
        let der = [&[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0], &key.as_bytes()[..]].concat();
        assert_eq!(key.id(), Sha256::of(&der));
    }

    #[test]
    fn what_is_no_such_key_is_refused() {
        for (text, says) in [
            ("", "not the PEM"),
            ("release", "not the PEM"),
            ("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----", "not the PEM"),
            (&PUBLISHED.replace("MCow", "MCoA"), "not the PEM"),
            (&PUBLISHED.replace("BQYDK2Vw", "BQYDK2Vu"), "not the PEM"),
            (&format!("{PUBLISHED}{PUBLISHED}"), "not the PEM"),
            (&"A".repeat(2000), "longer"),
            (&PUBLISHED.replace("PUBLIC", "PRIVATE"), "a private key"),
            ("MCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "small order"),
        ] {
            let error = PublicKey::parse(text).expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    /// RFC 8032, section 7.1, test 3.
    #[test]
    fn the_published_signature_is_the_keys_and_no_other_is() {
        let bytes = |hex: &str| -> Vec<u8> {
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
        };
        let key = bytes("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
        let key = PublicKey::from_bytes(&key.try_into().unwrap()).unwrap();
        let signature = bytes(
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
             18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        );
        assert!(key.signed(&[0xaf, 0x82], &signature));
        assert!(!key.signed(&[0xaf, 0x83], &signature));
        assert!(!key.signed(&[0xaf, 0x82], &signature[1..]));
        for at in 0..signature.len() {
            let mut changed = signature.clone();
            changed[at] ^= 1;
            assert!(!key.signed(&[0xaf, 0x82], &changed), "byte {at}");
        }
    }
}
