//! Text of others (guests, requests, files' names), made safe to show: one function for every crate that shows any.

/// `text` on one line: control, bidirectional and invisible characters escaped; cut to at most `max_bytes`, and then
/// marked with `…` where the mark fits.
#[must_use]
pub fn escaped(text: &str, max_bytes: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max_bytes));
    // Where to cut so that the mark of a cut still fits.
    let mut cut = 0;
    for c in text.chars() {
        if out.len().saturating_add(CUT.len()) <= max_bytes {
            cut = out.len();
        }
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_unprintable(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
        if out.len() > max_bytes {
            out.truncate(cut);
            if CUT.len() <= max_bytes {
                out.push_str(CUT);
            }
            break;
        }
    }
    out
}

/// Escapes in place; text without anything to escape, which is nearly all text, is not touched.
pub fn escape(text: &mut String) {
    let printable_ascii = text.bytes().all(|b| matches!(b, 0x20..0x7f));
    if !printable_ascii && text.chars().any(is_unprintable) {
        *text = escaped(text, usize::MAX);
    }
}

/// Whether a character acts on a terminal, hides, or changes how its neighbours are shown.
#[must_use]
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Ends a text that was cut.
const CUT: &str = "…";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_the_cursor_or_turns_the_text_around_survives() {
        assert_eq!(
            escaped("a\u{1b}[2J\u{7}b\n\u{202e}c\u{85}\u{200b}", 100),
            "a\\u{1b}[2J\\u{7}b\\n\\u{202e}c\\u{85}\\u{200b}"
        );
        assert_eq!(escaped("payé €5", 100), "payé €5");
    }

    #[test]
    fn cuts_at_characters_and_within_the_bound() {
        assert_eq!(escaped("abcdef", 6), "abcdef");
        assert_eq!(escaped("abcdefg", 6), "abc…");
        assert_eq!(escaped("ééé", 5), "é…");
        assert_eq!(escaped("\u{1b}\u{1b}", 6), "…");
        assert_eq!(escaped("a\u{1b}", 7), "a\\u{1b}");
        assert_eq!((escaped("ab", 1).as_str(), escaped("ab", 0).as_str()), ("", ""));
    }

    proptest::proptest! {
        #[test]
        fn is_bounded_and_safe(text in ".*", max in 0usize..60) {
            let out = escaped(&text, max);
            proptest::prop_assert!(out.len() <= max);
            proptest::prop_assert!(!out.chars().any(is_unprintable));
        }
    }
}
