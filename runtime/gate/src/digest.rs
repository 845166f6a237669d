use serde::de::Visitor;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

/// A sha256 digest. Shown and serialized as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// The digest of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Sha256 {
        Sha256(sha2::Sha256::digest(bytes).into())
    }

    /// A digest that was computed elsewhere, such as a node of a Merkle tree.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Sha256 {
        Sha256(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Sha256> {
        let (digits, rest) = text.as_bytes().as_chunks();
        if digits.len() != 32 || !rest.is_empty() {
            return None;
        }
        // Judged at the end: branches on digits are mispredicted every other time.
        let mut bytes = [0u8; 32];
        let mut wrong = 0;
        for (byte, [high, low]) in bytes.iter_mut().zip(digits) {
            let (high, low) = (digit(*high), digit(*low));
            wrong |= high | low;
            *byte = high << 4 | low & 15;
        }
        (wrong < 16).then_some(Sha256(bytes))
    }

    fn digits(&self) -> [u8; 64] {
        let mut text = [0u8; 64];
        for (digits, byte) in text.as_chunks_mut().0.iter_mut().zip(self.0) {
            *digits = [hex(byte >> 4), hex(byte & 15)];
        }
        text
    }

    /// The first 12 digits: enough for people to compare.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(12).collect()
    }
}

impl std::fmt::Display for Sha256 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(std::str::from_utf8(&self.digits()).map_err(|_| std::fmt::Error)?)
    }
}

impl std::fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

const fn hex(half: u8) -> u8 {
    if half < 10 { b'0' + half } else { b'a' + half - 10 }
}

/// The value of a digit; with a higher bit set for anything else.
const fn digit(text: u8) -> u8 {
    let (number, letter) = (text.wrapping_sub(b'0'), text.wrapping_sub(b'a'));
    if number < 10 {
        number
    } else if letter < 6 {
        letter + 10
    } else {
        u8::MAX
    }
}

impl Serialize for Sha256 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.digits()).map_err(serde::ser::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Without a text of its own: a decision names digests by the dozen.
        struct Digits;

        impl Visitor<'_> for Digits {
            type Value = Sha256;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a sha256: 64 lower-case hexadecimal digits")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Sha256, E> {
                Sha256::from_hex(text).ok_or_else(|| E::custom("not a sha256: 64 lower-case hexadecimal digits"))
            }
        }

        deserializer.deserialize_str(Digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_one_spelling() {
        let mut bytes = [0u8; 32];
        (0u8..).zip(&mut bytes).for_each(|(n, byte)| *byte = n.wrapping_mul(37).wrapping_add(9));
        let digest = Sha256::from_bytes(bytes);
        let expected: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest.to_string(), expected);
        assert_eq!(Sha256::from_hex(&expected), Some(digest));
        let cut = &expected[..63];
        for other in
            [cut.to_owned(), format!("{expected}0"), expected.to_uppercase(), format!("{cut}g"), format!("{cut}é")]
        {
            assert_eq!(Sha256::from_hex(&other), None, "{other}");
        }
        for byte in 0..=127u8 {
            let is_digit = matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            for text in
                [[&expected[..63], &char::from(byte).to_string()], [&char::from(byte).to_string(), &expected[1..]]]
            {
                assert_eq!(Sha256::from_hex(&text.concat()).is_some(), is_digit, "{text:?}");
            }
        }
        for byte in 0..=255u8 {
            let read = Sha256::from_hex(&[&expected[..62], &format!("{byte:02x}")].concat()).unwrap();
            assert_eq!(read.as_bytes()[31], byte);
        }
    }
}
