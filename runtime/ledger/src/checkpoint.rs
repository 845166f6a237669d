//! [Checkpoints](https://c2sp.org/tlog-checkpoint): how many leaves a log has and their root, signed.

use portcullis_gate::Sha256;

use crate::base64;
use crate::error::FormatError;
use crate::key::{SigningKey, VerifierKey, is_key_name};
use crate::note::{open_note, sign_note};
use crate::tree::MAX_TREE_SIZE;

/// The state of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: Sha256,
}

impl Checkpoint {
    /// The state of the log of that origin.
    ///
    /// # Errors
    /// [`FormatError::Malformed`]: the origin could not name a key, or there are too many leaves.
    pub fn new(origin: &str, size: u64, root: Sha256) -> Result<Checkpoint, FormatError> {
        if !is_key_name(origin) {
            return Err(FormatError::malformed(WHAT, "the origin is no name of a key"));
        }
        if size > MAX_TREE_SIZE {
            return Err(FormatError::malformed(WHAT, "too many leaves"));
        }
        Ok(Checkpoint { origin: origin.to_owned(), size, root })
    }

    /// The log's name, which is that of its key.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How many leaves there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree of them.
    #[must_use]
    pub fn root(&self) -> Sha256 {
        self.root
    }

    /// The signed note.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] where the key is not named after the origin: [`Checkpoint::open`] would refuse it.
    pub fn sign(&self, key: &SigningKey) -> Result<String, FormatError> {
        if key.verifier().name() != self.origin {
            return Err(FormatError::malformed(WHAT, "the key is not named after the log's origin"));
        }
        sign_note(&self.text(), key)
    }

    /// The checkpoint in a note that the log's key signed. Extension lines are refused: this log writes none.
    ///
    /// # Errors
    /// [`FormatError`]: the note is malformed, not signed by the key, or not a checkpoint of the log of that name.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Checkpoint, FormatError> {
        let text = open_note(note, key)?;
        let checkpoint = parse(text).ok_or_else(|| FormatError::malformed(WHAT, "not origin, size and root"))?;
        if checkpoint.origin != key.name() {
            return Err(FormatError::malformed(WHAT, "of another log than the key is of"));
        }
        Ok(checkpoint)
    }

    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, base64::encode(self.root.as_bytes()))
    }
}

fn parse(text: &str) -> Option<Checkpoint> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
    let root = Sha256::from_bytes(base64::decode(root)?.try_into().ok()?);
    let checkpoint = Checkpoint::new(origin, size.parse().ok()?, root).ok()?;
    // A size has one spelling: no sign, no zeros before it.
    (checkpoint.text() == text).then_some(checkpoint)
}

const WHAT: &str = "checkpoint";

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_seed("gate.example.com/log", &[7; 32]).unwrap()
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint::new("gate.example.com/log", 123_456_789_012, crate::leaf_hash(b"hello world")).unwrap()
    }

    #[test]
    fn has_the_published_text() {
        // `TestFormatTree` of golang.org/x/mod sumdb/tlog, with this log's name.
        let note = checkpoint().sign(&key()).unwrap();
        let text = "gate.example.com/log\n123456789012\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n\n\u{2014} ";
        assert!(note.starts_with(text), "{note}");
        assert_eq!(Checkpoint::open(&note, key().verifier()), Ok(checkpoint()));
    }

    #[test]
    fn every_bit_counts() {
        let (key, note) = (key(), checkpoint().sign(&key()).unwrap());
        for at in 0..note.len() {
            for bit in 0..8 {
                let mut bytes = note.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                assert!(Checkpoint::open(&changed, key.verifier()).is_err(), "byte {at}, bit {bit}");
            }
        }
    }

    /// All of these are properly signed.
    #[test]
    fn a_signed_text_is_not_a_checkpoint_yet() {
        let root = base64::encode(&[1; 32]);
        let good = format!("gate.example.com/log\n7\n{root}\n");
        let open = |text: &str| Checkpoint::open(&sign_note(text, &key()).unwrap(), key().verifier());
        assert!(open(&good).is_ok());
        for text in [
            format!("gate.example.com/other\n7\n{root}\n"),
            format!("gate.example.com/log\n07\n{root}\n"),
            format!("gate.example.com/log\n+7\n{root}\n"),
            format!("gate.example.com/log\n-7\n{root}\n"),
            format!("gate.example.com/log\n9007199254740992\n{root}\n"),
            format!("gate.example.com/log\n7\n{}\n", base64::encode(&[1; 31])),
            format!("gate.example.com/log\n7\n{}\n", root.trim_end_matches('=')),
            format!("gate.example.com/log\n7\n{root}\nextension\n"),
            format!("gate.example.com/log\n7\n{root}\n\n"),
            format!("\ngate.example.com/log\n7\n{root}\n"),
            "gate.example.com/log\n7\n".to_owned(),
            "\n".to_owned(),
        ] {
            assert!(open(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_key_is_named_after_the_log() {
        let other = SigningKey::from_seed("gate.example.com/other", &[7; 32]).unwrap();
        assert!(checkpoint().sign(&other).is_err());
        // The same secret under another name is another key.
        let note = checkpoint().sign(&key()).unwrap();
        assert!(matches!(Checkpoint::open(&note, other.verifier()), Err(FormatError::Unsigned { .. })));
    }
}
