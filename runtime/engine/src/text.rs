//! Text that comes from a guest, made safe to show.

pub(crate) use portcullis_gate::text::{escape, escaped};

/// Longest piece of a guest's text inside one of our own messages, in bytes.
const MAX_SHOWN_BYTES: usize = 512;

/// `text` on one line: control and bidirectional characters escaped, at most 512 bytes.
pub(crate) fn shown(text: &str) -> String {
    escaped(text, MAX_SHOWN_BYTES)
}
