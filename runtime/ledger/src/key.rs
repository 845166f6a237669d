//! Ed25519 keys with a name, in the text form of [signed notes](https://c2sp.org/signed-note).
//!
//! One key signs a log's checkpoints and its receipts. Neither can be passed off as the other: a note's text has lines
//! and begins with the key's name, which has no spaces; what is signed of a receipt begins with `DSSEv1 ` and is one
//! line.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;

use crate::base64;
use crate::error::FormatError;

/// Longest name of a key, in bytes.
pub const MAX_KEY_NAME_BYTES: usize = 256;

/// A private key. Its text form is `PRIVATE+KEY+<name>+<hash>+<base64>`; `Debug` shows the public half only.
#[derive(Clone)]
pub struct SigningKey {
    secret: ed25519_dalek::SigningKey,
    public: VerifierKey,
}

/// A public key. Its text form is `<name>+<hash>+<base64>`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    hash: [u8; 4],
    key: ed25519_dalek::VerifyingKey,
}

impl SigningKey {
    /// The key with that name and 32 bytes of randomness.
    ///
    /// # Errors
    /// [`FormatError::Malformed`]: the name is empty, too long, or has a space, a plus or a control character.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<SigningKey, FormatError> {
        let secret = ed25519_dalek::SigningKey::from_bytes(seed);
        let public = VerifierKey::new(name, secret.verifying_key())?;
        Ok(SigningKey { secret, public })
    }

    /// Reads `PRIVATE+KEY+<name>+<hash>+<base64>`.
    ///
    /// # Errors
    /// [`FormatError::Malformed`]; the message shows nothing of the text.
    pub fn from_text(text: &str) -> Result<SigningKey, FormatError> {
        let problem = |problem: &str| FormatError::malformed("signing key", problem);
        let rest = text.strip_prefix(PRIVATE).ok_or_else(|| problem("it does not begin with PRIVATE+KEY+"))?;
        let (name, hash, seed) = parse(rest).ok_or_else(|| problem("not <name>+<hash>+<base64> of an Ed25519 key"))?;
        let key = SigningKey::from_seed(name, &seed)?;
        if key.public.hash != hash {
            return Err(problem("the hash is not that of the name and key"));
        }
        Ok(key)
    }

    /// The text form. It is the secret.
    #[must_use]
    pub fn to_secret_text(&self) -> String {
        format!("{PRIVATE}{}+{}", self.public.id(), base64::encode(&with_algorithm(self.secret.as_bytes())))
    }

    /// The public half.
    #[must_use]
    pub fn verifier(&self) -> &VerifierKey {
        &self.public
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.secret.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.id())
    }
}

impl VerifierKey {
    fn new(name: &str, key: ed25519_dalek::VerifyingKey) -> Result<VerifierKey, FormatError> {
        if !is_key_name(name) {
            let problem = "the name is empty, too long, or has a space, a plus or a control character";
            return Err(FormatError::malformed("key", problem));
        }
        let hash =
            sha2::Sha256::new_with_prefix(name).chain_update([b'\n']).chain_update(with_algorithm(key.as_bytes()));
        let [a, b, c, d, ..] = <[u8; 32]>::from(hash.finalize());
        Ok(VerifierKey { name: name.to_owned(), hash: [a, b, c, d], key })
    }

    /// The name: for a log's key, the log's origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `<name>+<hash>`: tells keys apart without being one.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}+{:08x}", self.name, u32::from_be_bytes(self.hash))
    }

    /// The 32 bytes of the key, without name and hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    pub(crate) fn hash(&self) -> &[u8; 4] {
        &self.hash
    }

    /// Whether the key signed that: the strict rules, under which each message has one signature of a key.
    pub(crate) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }
}

impl FromStr for VerifierKey {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<VerifierKey, FormatError> {
        let problem = |problem: &str| FormatError::malformed("verifier key", problem);
        let (name, hash, bytes) = parse(text).ok_or_else(|| problem("not <name>+<hash>+<base64> of an Ed25519 key"))?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| problem("not a point of the curve"))?;
        if key.is_weak() {
            return Err(problem("a key of small order, under which anything is signed"));
        }
        let key = VerifierKey::new(name, key)?;
        if key.hash != hash {
            return Err(problem("the hash is not that of the name and key"));
        }
        Ok(key)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.id(), base64::encode(&with_algorithm(self.key.as_bytes())))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl Serialize for VerifierKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VerifierKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Whether a text can name a key: not empty, no Unicode space, no plus; and no control character, since it is a line.
pub(crate) fn is_key_name(name: &str) -> bool {
    let fits = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
    (1..=MAX_KEY_NAME_BYTES).contains(&name.len()) && name.chars().all(fits)
}

/// `<name>+<hash>+<base64>`: the name, the hash, and 32 bytes of an Ed25519 key.
fn parse(text: &str) -> Option<(&str, [u8; 4], [u8; 32])> {
    let (name, rest) = text.split_once('+')?;
    let (hash, bytes) = rest.split_once('+')?;
    if hash.len() != 8 || !hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let hash = u32::from_str_radix(hash, 16).ok()?.to_be_bytes();
    match *base64::decode(bytes)? {
        [ED25519, ref key @ ..] => Some((name, hash, key.try_into().ok()?)),
        _ => None,
    }
}

fn with_algorithm(key: &[u8; 32]) -> Vec<u8> {
    [&[ED25519], &key[..]].concat()
}

const PRIVATE: &str = "PRIVATE+KEY+";
/// The signature type of Ed25519 keys in signed notes.
const ED25519: u8 = 1;
pub(crate) const SIGNATURE_BYTES: usize = ed25519_dalek::SIGNATURE_LENGTH;

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of `sumdb/note` in golang.org/x/mod.
    const PRIVATE_TEXT: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const PUBLIC_TEXT: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn the_published_key_is_read_and_written() {
        let key = SigningKey::from_text(PRIVATE_TEXT).unwrap();
        assert_eq!(key.to_secret_text(), PRIVATE_TEXT);
        assert_eq!(key.verifier().to_string(), PUBLIC_TEXT);
        assert_eq!(key.verifier(), &PUBLIC_TEXT.parse().unwrap());
        assert_eq!(format!("{key:?}"), "SigningKey(PeterNeumann+c74f20a3)");
    }

    #[test]
    fn every_byte_of_a_public_key_counts() {
        for at in 0..PUBLIC_TEXT.len() {
            for bit in 0..7 {
                let mut text = PUBLIC_TEXT.as_bytes().to_vec();
                text[at] ^= 1 << bit;
                let text = String::from_utf8(text).unwrap();
                assert!(text.parse::<VerifierKey>().is_err(), "{text}");
            }
        }
    }

    #[test]
    fn names_are_lines_without_spaces_and_pluses() {
        for name in ["", "a b", "a+b", "a\nb", "a\u{a0}b", "a\u{7f}b", &"a".repeat(257)] {
            assert!(SigningKey::from_seed(name, &[7; 32]).is_err(), "{name:?}");
        }
        assert!(SigningKey::from_seed("gate.example.com/log", &[7; 32]).is_ok());
    }

    #[test]
    fn keys_of_small_order_are_refused() {
        let identity = [&[1u8][..], &[0; 31]].concat();
        let identity = ed25519_dalek::VerifyingKey::from_bytes(&identity.try_into().unwrap()).unwrap();
        let text = VerifierKey::new("log", identity).unwrap().to_string();
        let error = text.parse::<VerifierKey>().unwrap_err().to_string();
        assert!(error.contains("small order"), "{error}");
    }
}
