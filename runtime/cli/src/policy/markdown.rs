//! Text of others inside Markdown (GitHub's), and JSON that reads well in it.

use serde_json::Value;

/// Text that stays text: nothing in it is markup, a link, or the end of a table's cell.
#[must_use]
pub fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '|' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // What GitHub would make a mention or an address.
            '@' => out.push_str("&#64;"),
            c => out.push(c),
        }
    }
    // What it would make a link without being asked.
    out.replace("://", "&#58;//").replace("www.", "www&#46;")
}

/// Text as code inside a line or a table's cell.
#[must_use]
pub fn code(text: &str) -> String {
    let fence = "`".repeat(longest_run(text).saturating_add(1));
    let space = if text.starts_with('`') || text.ends_with('`') || text.is_empty() { " " } else { "" };
    format!("{fence}{space}{}{space}{fence}", text.replace('|', "\\|"))
}

/// Text as a block of code; nothing in it can end the block.
#[must_use]
pub fn block(language: &str, text: &str) -> String {
    let fence = "`".repeat(longest_run(text).saturating_add(1).max(3));
    format!("{fence}{language}\n{}\n{fence}\n", text.trim_end_matches('\n'))
}

/// A path as the target of a link.
#[must_use]
pub fn target(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// JSON with what fits on one line of that many characters on one line. Characters that act on a terminal are escaped.
#[must_use]
pub fn json(value: &Value, width: usize) -> String {
    let mut out = String::new();
    push(value, 0, 0, width, &mut out);
    crate::decide::printable(&out)
}

/// `indent`: of the line; `used`: characters on it after the indent, and before and after the value.
fn push(value: &Value, indent: usize, used: usize, width: usize, out: &mut String) {
    let flat = flat(value);
    let fits = indent.saturating_add(used).saturating_add(flat.chars().count()) <= width;
    let inner = indent.saturating_add(2);
    let line = |indent: usize, out: &mut String| {
        out.push('\n');
        out.push_str(&" ".repeat(indent));
    };
    match value {
        Value::Array(items) if !fits && !items.is_empty() => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                out.push_str(if n > 0 { "," } else { "" });
                line(inner, out);
                push(item, inner, 1, width, out);
            }
            line(indent, out);
            out.push(']');
        }
        Value::Object(members) if !fits && !members.is_empty() => {
            out.push('{');
            for (n, (key, member)) in members.iter().enumerate() {
                out.push_str(if n > 0 { "," } else { "" });
                line(inner, out);
                let key = format!("{}: ", Value::from(key.as_str()));
                out.push_str(&key);
                push(member, inner, key.chars().count().saturating_add(1), width, out);
            }
            line(indent, out);
            out.push('}');
        }
        _ => out.push_str(&flat),
    }
}

/// On one line, with a space after each comma and colon.
fn flat(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(flat).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| format!("{}: {}", Value::from(key.as_str()), flat(value));
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json as value;

    #[test]
    fn text_is_not_markup() {
        assert_eq!(text("a|b *c* <img> [x](y)"), "a\\|b \\*c\\* &lt;img&gt; \\[x\\]\\(y\\)");
        assert_eq!(
            text("see https://x.example or www.y.example, @all"),
            "see https&#58;//x.example or www&#46;y.example, &#64;all"
        );
    }

    #[test]
    fn code_cannot_be_left() {
        assert_eq!(code("/a|b"), "`/a\\|b`");
        assert_eq!(code("a``b`"), "``` a``b` ```");
        assert_eq!(block("json", "\"```\""), "````json\n\"```\"\n````\n");
        assert_eq!(block("text", "x\n"), "```text\nx\n```\n");
        assert_eq!(target("a b/(c).md"), "a%20b/%28c%29.md");
    }

    #[test]
    fn json_breaks_where_it_does_not_fit() {
        let nested = value!({"a": [1, 2, {"b": "\u{202e}"}], "long": ["0123456789", "0123456789"]});
        assert_eq!(
            json(&nested, 200),
            "{\"a\": [1, 2, {\"b\": \"\\u202e\"}], \"long\": [\"0123456789\", \"0123456789\"]}"
        );
        insta::assert_snapshot!(json(&nested, 34), @r#"
        {
          "a": [1, 2, {"b": "\u202e"}],
          "long": [
            "0123456789",
            "0123456789"
          ]
        }
        "#);
        assert_eq!(json(&value!({"a": {}, "b": []}), 1), "{\n  \"a\": {},\n  \"b\": []\n}");
    }

    proptest::proptest! {
        #[test]
        fn json_means_the_same_at_every_width(text: String, number: i64, width in 0usize..80) {
            let nested = value!({"k": [text, number, null, {"deep": [[text], {}]}], (text.clone()): true});
            let again: Value = serde_json::from_str(&json(&nested, width)).unwrap();
            proptest::prop_assert_eq!(again, nested);
        }

        #[test]
        fn a_block_ends_where_it_ends(text in "[`a\n]*") {
            let block = block("text", &text);
            let fence = block.lines().last().unwrap();
            let inner = block.lines().skip(1);
            proptest::prop_assert_eq!(inner.filter(|line| line.trim_start().starts_with(fence)).count(), 1);
        }
    }
}
