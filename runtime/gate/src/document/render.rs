//! Writes a value as compact JSON text, as long as whoever asked for it goes along.

use std::fmt::Write as _;

use super::{Document, Node, RENDER_STEP_BYTES};

/// When to ask whether the text may grow.
struct Steps<'a> {
    next: usize,
    allow: &'a mut dyn FnMut(usize) -> bool,
}

impl Steps<'_> {
    fn may_grow(&mut self, bytes: usize) -> Option<()> {
        if bytes < self.next {
            return Some(());
        }
        self.next = bytes.saturating_add(RENDER_STEP_BYTES);
        (self.allow)(bytes).then_some(())
    }
}

impl Document {
    /// The value at `index` as compact JSON; `None` where `allow`, asked as [`Document::get_within`] says, refuses.
    pub(super) fn render(&self, index: u32, allow: &mut dyn FnMut(usize) -> bool) -> Option<String> {
        let mut out = String::new();
        let mut steps = Steps { next: RENDER_STEP_BYTES, allow };
        self.push(index, &mut out, &mut steps)?;
        (steps.allow)(out.len()).then_some(out)
    }

    /// Writes the value at `index` as compact JSON, however long it gets.
    pub(crate) fn write(&self, index: u32, out: &mut String) {
        let mut steps = Steps { next: usize::MAX, allow: &mut |_| true };
        _ = self.push(index, out, &mut steps);
    }

    /// Recursion is bounded by [`MAX_DEPTH`](super::MAX_DEPTH).
    fn push(&self, index: u32, out: &mut String, steps: &mut Steps<'_>) -> Option<()> {
        steps.may_grow(out.len())?;
        match self.node(index) {
            None | Some(Node::Null) => out.push_str("null"),
            Some(Node::Boolean(value)) => out.push_str(if value { "true" } else { "false" }),
            Some(Node::Integer(value)) => _ = write!(out, "{value}"),
            Some(Node::Number(value)) => match serde_json::Number::from_f64(value) {
                Some(number) => _ = write!(out, "{number}"),
                None => out.push_str("null"),
            },
            Some(Node::Text { .. }) => self.push_text(index, out, steps)?,
            Some(Node::Array { end }) => {
                out.push('[');
                let mut item = index.saturating_add(1);
                let first = item;
                while item < end {
                    if item != first {
                        out.push(',');
                    }
                    self.push(item, out, steps)?;
                    item = self.after(item);
                }
                out.push(']');
            }
            Some(Node::Object { end }) => {
                out.push('{');
                let mut key = index.saturating_add(1);
                let first = key;
                while key < end {
                    if key != first {
                        out.push(',');
                    }
                    self.push_text(key, out, steps)?;
                    out.push(':');
                    let value = key.saturating_add(1);
                    self.push(value, out, steps)?;
                    key = self.after(value);
                }
                out.push('}');
            }
        }
        Some(())
    }

    /// One string may be as long as a document: it is asked for before it is written.
    fn push_text(&self, index: u32, out: &mut String, steps: &mut Steps<'_>) -> Option<()> {
        let text = self.text_of(index);
        steps.may_grow(out.len().saturating_add(text.len()))?;
        write_string(text, out);
        Some(())
    }
}

/// Writes a string as JSON.
pub(crate) fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|b| b < 0x20 || b == b'"' || b == b'\\') {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        let mut chars = special.chars();
        match chars.next() {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some(control) => _ = write!(out, "\\u{:04x}", u32::from(control)),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}
