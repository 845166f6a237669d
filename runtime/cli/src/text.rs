//! Text of others (requests, policies, files' names) made safe to print.

pub use portcullis_gate::text::is_unprintable;

/// Longest piece of others' text on one line, in bytes.
const MAX_SHOWN_BYTES: usize = 2000;

/// `text` on one line, nothing in it acting on a terminal; cut at 2,000 bytes.
#[must_use]
pub fn shown(text: &str) -> String {
    portcullis_gate::text::escaped(text, MAX_SHOWN_BYTES)
}

/// `one policy`, `3 policies`.
#[must_use]
pub fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}
