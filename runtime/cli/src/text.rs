//! Text of others (requests, policies, files' names) made safe to print.

use std::fmt::Write as _;

/// Longest piece of others' text on one line, in characters.
const MAX_SHOWN: usize = 2000;

/// `text` on one line: control, bidirectional, zero-width and other invisible characters escaped; cut at 2,000
/// characters.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    for c in chars.by_ref().take(MAX_SHOWN) {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_unprintable(c) => _ = write!(out, "\\u{{{:x}}}", u32::from(c)),
            c => out.push(c),
        }
    }
    if chars.next().is_some() {
        out.push('…');
    }
    out
}

/// Whether a character acts on a terminal, hides, or changes how its neighbours are shown.
#[must_use]
pub fn is_unprintable(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// `one policy`, `3 policies`.
#[must_use]
pub fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_on_a_terminal_survives() {
        let hostile = "a\u{1b}[31mred\u{7}\r\nb\u{202e}evil\u{2066}\u{9b}2J\u{200b}\u{0}é✔";
        let shown = shown(hostile);
        assert_eq!(shown, "a\\u{1b}[31mred\\u{7}\\r\\nb\\u{202e}evil\\u{2066}\\u{9b}2J\\u{200b}\\u{0}é✔");
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(shown(&"é".repeat(MAX_SHOWN)).chars().count(), MAX_SHOWN);
        let cut = shown(&"é".repeat(MAX_SHOWN + 1));
        assert_eq!((cut.chars().count(), cut.ends_with('…')), (MAX_SHOWN + 1, true));
    }

    proptest::proptest! {
        #[test]
        fn what_is_shown_is_one_line_without_controls(text: String) {
            let shown = shown(&text);
            proptest::prop_assert!(!shown.chars().any(is_unprintable), "{:?}", shown);
        }
    }
}
