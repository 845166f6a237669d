use hmac::{Hmac, KeyInit as _, Mac as _};
use portcullis_gate::Sha256;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base64;

/// 32 random bytes, as base64 in JSON. Erased together with what they hide.
#[derive(Clone, PartialEq, Eq)]
pub struct Salt([u8; 32]);

/// Says which bytes without telling them: HMAC-SHA-256 under a salt. Once the salt is erased, nobody can try what the
/// bytes might have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commitment {
    /// How many bytes.
    pub bytes: u64,
    /// `HMAC-SHA-256(salt, bytes)`.
    pub commitment: Sha256,
}

impl Salt {
    /// From 32 bytes of the operating system's randomness.
    #[must_use]
    pub fn new(random: [u8; 32]) -> Salt {
        Salt(random)
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salt")
    }
}

impl Commitment {
    /// Commits to some bytes.
    #[must_use]
    pub fn new(salt: &Salt, bytes: &[u8]) -> Commitment {
        Commitment { commitment: keyed_digest(&salt.0, bytes), bytes: bytes.len() as u64 }
    }

    /// Whether these are the bytes and the salt.
    #[must_use]
    pub fn opens(&self, salt: &Salt, bytes: &[u8]) -> bool {
        Commitment::new(salt, bytes) == *self
    }
}

/// `HMAC-SHA-256(key, bytes)`.
#[must_use]
pub fn keyed_digest(key: &[u8; 32], bytes: &[u8]) -> Sha256 {
    // A key shorter than a block of the hash is padded with zeros.
    let mut block = [0; 64];
    block.iter_mut().zip(key).for_each(|(byte, key)| *byte = *key);
    let mac = Hmac::<sha2::Sha256>::new(&block.into()).chain_update(bytes);
    Sha256::from_bytes(mac.finalize().into_bytes().into())
}

/// Whether that is the [`keyed_digest`], compared in a time that says nothing of where it differs.
pub(crate) fn is_keyed_digest(key: &[u8; 32], bytes: &[u8], found: &[u8]) -> bool {
    let mut block = [0; 64];
    block.iter_mut().zip(key).for_each(|(byte, key)| *byte = *key);
    Hmac::<sha2::Sha256>::new(&block.into()).chain_update(bytes).verify_slice(found).is_ok()
}

impl Serialize for Salt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Salt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let base64::Base64(bytes) = Deserialize::deserialize(deserializer)?;
        bytes.try_into().map(Salt).map_err(|_| serde::de::Error::custom("a salt is 32 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_an_hmac() {
        // RFC 4231, test case 2, its key padded with zeros to 32 bytes: HMAC pads keys so, up to 64 bytes.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(keyed_digest(&key, b"what do ya want for nothing?").to_string(), expected);
    }

    #[test]
    fn opens_with_its_salt_and_bytes_only() {
        let salt = Salt::new([1; 32]);
        let commitment = Commitment::new(&salt, b"request");
        assert!(commitment.opens(&salt, b"request"));
        assert!(!commitment.opens(&salt, b"requesu"));
        assert!(!commitment.opens(&salt, b"request\0"));
        assert!(!commitment.opens(&Salt::new([2; 32]), b"request"));
        assert!(!Commitment { bytes: 8, ..commitment }.opens(&salt, b"request"));
    }
}
