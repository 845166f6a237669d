//! JSON with one spelling: [RFC 8785](https://www.rfc-editor.org/rfc/rfc8785). Members are sorted by their UTF-16 code
//! units, there are no spaces, strings and numbers are as ECMAScript writes them.
//!
//! What is read must be what would be written, byte for byte: that leaves no room for duplicate, unknown or missing
//! members, other escapes, other orders, spaces or what follows.

mod serializer;
mod writer;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::FormatError;
use writer::Writer;

/// Largest integer, either side of 0, that every reader of JSON keeps exactly.
const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Which numbers may appear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// Integers of at most 53 bits.
    Integers,
    /// All. Unlike in RFC 8785, an integer of 64 bits is written exactly: what a policy asks for is not rounded.
    All,
}

/// Writes a value. `what` is for the error.
pub(crate) fn encode<T: Serialize + ?Sized>(
    what: &'static str,
    value: &T,
    numbers: Numbers,
    limit: usize,
) -> Result<Vec<u8>, FormatError> {
    let bytes = Writer::write(value, numbers).map_err(|error| FormatError::malformed(what, error.to_string()))?;
    FormatError::check_size(what, bytes.len(), limit)?;
    Ok(bytes)
}

/// Reads a value that is spelled as [`encode`] spells it.
pub(crate) fn decode<T: Serialize + DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
    numbers: Numbers,
    limit: usize,
) -> Result<T, FormatError> {
    let value: T = parse(what, bytes, limit)?;
    check(what, bytes, &encode(what, &value, numbers, usize::MAX)?)?;
    Ok(value)
}

/// Reads a value of any spelling: whoever calls this writes it again and calls [`check`].
pub(crate) fn parse<T: DeserializeOwned>(what: &'static str, bytes: &[u8], limit: usize) -> Result<T, FormatError> {
    FormatError::check_size(what, bytes.len(), limit)?;
    let malformed = |error: &dyn std::fmt::Display| FormatError::malformed(what, error.to_string());
    // Bytes would be checked again, text by text.
    let text = std::str::from_utf8(bytes).map_err(|error| malformed(&error))?;
    serde_json::from_str(text).map_err(|error| malformed(&error))
}

/// Checks that what was read is what would be written.
pub(crate) fn check(what: &'static str, found: &[u8], canonical: &[u8]) -> Result<(), FormatError> {
    if found == canonical {
        return Ok(());
    }
    let at = found.iter().zip(canonical).position(|(found, expected)| found != expected);
    Err(FormatError::NotCanonical { what, at: at.unwrap_or(found.len().min(canonical.len())) })
}

#[cfg(test)]
mod tests;
