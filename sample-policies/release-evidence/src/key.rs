//! Public keys and what they sign: Ed25519 (RFC 8032), checked strictly.

use base64ct::{Base64, Encoding as _};
use ed25519_dalek::{Signature, VerifyingKey};
use portcullis_policy::prelude::*;

use crate::KeySettings;

/// A key that the settings trust.
pub struct Key {
    /// Its name in the settings.
    pub name: String,
    /// The builders that may use it.
    pub builders: Vec<String>,
    key: VerifyingKey,
}

impl Key {
    /// # Errors
    /// What is wrong with the key.
    pub fn read(name: String, settings: KeySettings) -> Result<Key, Problem> {
        let mut at = String::from("/keys/");
        for character in name.chars() {
            match character {
                '~' => at.push_str("~0"),
                '/' => at.push_str("~1"),
                other => at.push(other),
            }
        }
        at.push_str("/public_key");
        match public_key(&settings.public_key) {
            Some(key) if !key.is_weak() => Ok(Key { name, builders: settings.builders, key }),
            Some(_) => Err(Problem::new(at, "is a weak key: signatures with it prove nothing")),
            None => Err(Problem::new(at, "must be an Ed25519 public key as `openssl pkey -pubout` prints it")),
        }
    }

    /// Whether this key signed `message`.
    pub fn signed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

/// Decodes base64 with padding, in the standard alphabet or the one for URLs.
#[inline(never)]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let standard = |character| match character {
        '-' => '+',
        '_' => '/',
        other => other,
    };
    Base64::decode_vec(&text.chars().map(standard).collect::<String>()).ok()
}

/// From a PEM `PUBLIC KEY`, or its base64 alone.
fn public_key(text: &str) -> Option<VerifyingKey> {
    let text = text.trim();
    let body = match text.strip_prefix("-----BEGIN PUBLIC KEY-----") {
        Some(rest) => rest.strip_suffix("-----END PUBLIC KEY-----")?,
        None => text,
    };
    let body: String = body.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    let der = decode(&body)?;
    let bytes: &[u8; 32] = der.strip_prefix(&SPKI)?.try_into().ok()?;
    VerifyingKey::from_bytes(bytes).ok()
}

/// A SubjectPublicKeyInfo for Ed25519 (RFC 8410) is these bytes and the 32 of the key.
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

#[cfg(test)]
mod tests {
    use super::*;

    fn key(bytes: [u8; 32]) -> Key {
        Key { name: "key".into(), builders: Vec::new(), key: VerifyingKey::from_bytes(&bytes).unwrap() }
    }

    /// RFC 8032, 7.1, test 3.
    const PUBLIC: [u8; 32] = [
        0xfc, 0x51, 0xcd, 0x8e, 0x62, 0x18, 0xa1, 0xa3, 0x8d, 0xa4, 0x7e, 0xd0, 0x02, 0x30, 0xf0, 0x58, 0x08, 0x16,
        0xed, 0x13, 0xba, 0x33, 0x03, 0xac, 0x5d, 0xeb, 0x91, 0x15, 0x48, 0x90, 0x80, 0x25,
    ];
    const SIGNATURE: [u8; 64] = [
        0x62, 0x91, 0xd6, 0x57, 0xde, 0xec, 0x24, 0x02, 0x48, 0x27, 0xe6, 0x9c, 0x3a, 0xbe, 0x01, 0xa3, 0x0c, 0xe5,
        0x48, 0xa2, 0x84, 0x74, 0x3a, 0x44, 0x5e, 0x36, 0x80, 0xd7, 0xdb, 0x5a, 0xc3, 0xac, 0x18, 0xff, 0x9b, 0x53,
        0x8d, 0x16, 0xf2, 0x90, 0xae, 0x67, 0xf7, 0x60, 0x98, 0x4d, 0xc6, 0x59, 0x4a, 0x7c, 0x15, 0xe9, 0x71, 0x6e,
        0xd2, 0x8d, 0xc0, 0x27, 0xbe, 0xce, 0xea, 0x1e, 0xc4, 0x0a,
    ];

    #[test]
    fn agrees_with_rfc_8032() {
        assert!(key(PUBLIC).signed(&[0xaf, 0x82], &SIGNATURE));
        assert!(!key(PUBLIC).signed(&[0xaf, 0x83], &SIGNATURE));
        let mut forged = SIGNATURE;
        forged[63] ^= 1;
        assert!(!key(PUBLIC).signed(&[0xaf, 0x82], &forged));
    }

    #[test]
    fn keys_of_small_order_are_refused() {
        let settings = KeySettings {
            // The neutral point: a signature of zeros verifies for any message under it, unless checked strictly.
            public_key: "MCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into(),
            builders: vec!["b".into()],
        };
        assert!(Key::read("a/b".into(), settings).is_err_and(|problem| problem.at == "/keys/a~1b/public_key"));
    }

    #[test]
    fn keys_come_as_pem_or_base64() {
        let base64 = "MCowBQYDK2VwAyEA/FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU=";
        for text in [base64.to_owned(), format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n")] {
            assert_eq!(public_key(&text).map(|key| key.to_bytes()), Some(PUBLIC), "{text}");
        }
        for text in [
            "",
            "x",
            "MCowBQYDK2VwAyEA",
            &base64.replace("MCow", "MCox"),
            &format!("-----BEGIN PUBLIC KEY-----{base64}"),
        ] {
            assert!(public_key(text).is_none(), "{text}");
        }
    }
}
