use std::fmt;

use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes, spki::der::pem::LineEnding};
use ed25519_dalek::{Signer as _, SigningKey};
use portcullis_gate::PublicKey;

/// A private Ed25519 key. Its text form is PEM of PKCS #8 ([RFC 8410](https://www.rfc-editor.org/rfc/rfc8410)), as
/// `openssl genpkey -algorithm ed25519` writes it; `Debug` shows the public half only.
pub struct PrivateKey {
    secret: SigningKey,
    public: PublicKey,
}

impl PrivateKey {
    /// The key of 32 bytes of randomness.
    ///
    /// # Errors
    /// What is wrong with the key.
    pub fn from_seed(seed: &[u8; 32]) -> Result<PrivateKey, &'static str> {
        PrivateKey::of(SigningKey::from_bytes(seed))
    }

    /// Reads PEM.
    ///
    /// # Errors
    /// What is wrong with it; nothing of the text is in the message.
    pub fn from_pem(text: &str) -> Result<PrivateKey, &'static str> {
        if text.contains("ENCRYPTED PRIVATE KEY") {
            return Err("an encrypted key; decrypt it first, as with `openssl pkey`");
        }
        let secret = SigningKey::from_pkcs8_pem(text);
        PrivateKey::of(secret.map_err(|_| "not the PEM of an Ed25519 private key (-----BEGIN PRIVATE KEY-----)")?)
    }

    fn of(secret: SigningKey) -> Result<PrivateKey, &'static str> {
        let public = PublicKey::from_bytes(secret.verifying_key().as_bytes())?;
        Ok(PrivateKey { secret, public })
    }

    /// PEM. It is the secret.
    ///
    /// # Errors
    /// The key cannot be written.
    pub fn to_secret_pem(&self) -> Result<String, &'static str> {
        // Without the public half, which older readers of PKCS #8 do not expect.
        let pair = KeypairBytes { secret_key: self.secret.to_bytes(), public_key: None };
        let pem = pair.to_pkcs8_pem(LineEnding::LF).map_err(|_| "a key that cannot be written")?;
        Ok(pem.to_string())
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.secret.sign(message).to_bytes().to_vec()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.public.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8410, section 10.3, and the public key of section 10.1, which is its other half.
    const PRIVATE: &str = "\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";
    const PUBLIC: &str = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";

    #[test]
    fn the_published_key_is_read_and_written() {
        let key = PrivateKey::from_pem(PRIVATE).unwrap();
        assert_eq!(*key.public(), PublicKey::parse(PUBLIC).unwrap());
        assert_eq!(key.to_secret_pem().unwrap(), PRIVATE);
        assert!(key.public().signed(b"message", &key.sign(b"message")));
        assert!(!key.public().signed(b"another", &key.sign(b"message")));
        let shown = format!("{key:?}");
        assert!(shown.contains(&key.public().id().to_string()) && shown.len() < 90, "{shown}");
    }

    #[test]
    fn what_is_no_private_key_is_refused_without_showing_it() {
        let encrypted = PRIVATE.replace("PRIVATE", "ENCRYPTED PRIVATE");
        for text in ["", PUBLIC, &PRIVATE.replace("MC4C", "MC4D"), &PRIVATE.replace("BCIEI", "BCIEJ"), &encrypted] {
            let error = PrivateKey::from_pem(text).unwrap_err();
            assert!(!error.contains("MC4"), "{error}");
        }
    }
}
