//! Text that comes from a guest, made safe to show.

/// Longest piece of a guest's text inside one of our own messages, in bytes.
const MAX_SHOWN_BYTES: usize = 512;

/// `text` on one line: control and bidirectional characters escaped, at most 512 bytes.
pub(crate) fn shown(text: &str) -> String {
    escaped(text, MAX_SHOWN_BYTES)
}

/// Escapes in place; text without anything to escape, which is nearly all text, is not touched.
pub(crate) fn escape(text: &mut String) {
    if text.chars().any(|c| c.is_control() || is_format(c)) {
        *text = escaped(text, usize::MAX);
    }
}

/// `text` with control and bidirectional characters escaped, cut to at most `max_bytes`.
pub(crate) fn escaped(text: &str, max_bytes: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max_bytes));
    for c in text.chars() {
        let before = out.len();
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || is_format(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
        if out.len() > max_bytes {
            out.truncate(before);
            break;
        }
    }
    out
}

/// Characters that change how others are shown: bidirectional controls, zero-width, line separators, tags.
fn is_format(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
