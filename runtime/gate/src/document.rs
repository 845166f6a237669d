//! Strict JSON: what reaches a policy has exactly one reading.
//!
//! Built on `serde_json`'s parser, which refuses lone surrogates, trailing input and bad UTF-8; this adds what
//! [I-JSON (RFC 7493)](https://www.rfc-editor.org/rfc/rfc7493) asks for: no duplicate keys, no integer that would
//! change on the way, however it is written (a fraction is the double next to it, and never zero unless it is); and bounds on size, depth and the number of values. The tree is flat, in the text's order.

mod build;
mod numbers;
mod render;

use std::fmt;
use std::sync::Arc;

use crate::pointer;

pub(crate) use render::write_string;

/// Largest document, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 32 * 1024 * 1024;
/// Deepest nesting of arrays and objects.
pub const MAX_DEPTH: usize = 64;
/// Most values and keys in one document.
pub const MAX_VALUES: usize = 4_000_000;
/// The text of an object or array is written this many bytes at a time, before it is asked whether to go on.
pub const RENDER_STEP_BYTES: usize = 64 * 1024;

/// A parsed JSON document.
#[derive(Clone)]
pub struct Document {
    text: Arc<str>,
    /// Strings whose text differs from the source because they contain escapes.
    unescaped: String,
    nodes: Vec<Node>,
}

/// One value. Containers are followed by their children; `end` is the index after the last of them. The children of
/// an object alternate between key (`Text`) and value.
#[derive(Clone, Copy)]
enum Node {
    Null,
    Boolean(bool),
    Integer(i64),
    Number(f64),
    Text { start: u32, len: u32, unescaped: bool },
    Array { end: u32 },
    Object { end: u32 },
}

/// Why a document was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DocumentError {
    /// What kind of problem.
    pub kind: DocumentErrorKind,
    /// What and where, for people; never quotes more of the document than a key.
    pub message: String,
}

/// The kinds of [`DocumentError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentErrorKind {
    /// Not JSON.
    Syntax,
    /// A key appears twice in one object.
    DuplicateKey,
    /// Nested deeper than [`MAX_DEPTH`].
    Depth,
    /// A number that 64 bits cannot hold: too large, too small, or an integer that its double is not.
    Number,
    /// Larger than [`MAX_DOCUMENT_BYTES`] or [`MAX_VALUES`].
    Size,
}

/// One value of a document, as policies see it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// There is no such field.
    Missing,
    /// JSON null.
    Null,
    /// true or false.
    Boolean(bool),
    /// A number without fraction and exponent.
    Integer(i64),
    /// Any other number, as the double next to it; finite. Equal to what was written where that is an integer.
    Number(f64),
    /// A string.
    Text(&'a str),
    /// An object or array, as compact JSON text.
    Json(Arc<str>),
}

/// A JSON pointer, checked and split once, so that reading many requests costs no parsing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pointer {
    text: Box<str>,
    segments: Box<[Box<str>]>,
}

impl Pointer {
    /// Checks and splits a JSON pointer (RFC 6901).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Pointer, &'static str> {
        pointer::check(text)?;
        let segments = pointer::segments(text).map(|segment| segment.into_owned().into_boxed_str()).collect();
        Ok(Pointer { text: text.into(), segments })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The unescaped segments.
    #[must_use]
    pub fn segments(&self) -> &[Box<str>] {
        &self.segments
    }
}

impl Document {
    /// Parses a document.
    ///
    /// # Errors
    /// [`DocumentError`]: not JSON, a duplicate key, too deep, too large, or a number that 64 bits cannot hold.
    pub fn parse(bytes: &[u8]) -> Result<Document, DocumentError> {
        if bytes.len() > MAX_DOCUMENT_BYTES {
            return Err(DocumentError {
                kind: DocumentErrorKind::Size,
                message: format!("{} bytes, more than {MAX_DOCUMENT_BYTES}", bytes.len()),
            });
        }
        let text = std::str::from_utf8(bytes).map_err(|error| DocumentError {
            kind: DocumentErrorKind::Syntax,
            message: format!("not UTF-8 at byte {}", error.valid_up_to()),
        })?;
        let (nodes, unescaped) = build::build(text)?;
        Ok(Document { text: text.into(), unescaped, nodes })
    }

    /// The text that was parsed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The value at a pointer.
    #[must_use]
    pub fn get(&self, pointer: &Pointer) -> Value<'_> {
        self.at(pointer.segments()).map_or(Value::Missing, |index| self.value(index))
    }

    /// The value at a pointer, as far as `allow` lets the text of an object or array be written: it is asked with the
    /// bytes that the text is about to have, at every [`RENDER_STEP_BYTES`] and in the end. `None` where it says no.
    pub fn get_within(&self, pointer: &Pointer, allow: &mut dyn FnMut(usize) -> bool) -> Option<Value<'_>> {
        let Some(index) = self.at(pointer.segments()) else { return Some(Value::Missing) };
        match self.node(index) {
            Some(Node::Array { .. } | Node::Object { .. }) => Some(Value::Json(self.render(index, allow)?.into())),
            _ => Some(self.value(index)),
        }
    }

    /// Whether the value at a pointer is an object; `None` where there is no value.
    #[must_use]
    pub fn is_object(&self, pointer: &Pointer) -> Option<bool> {
        let index = self.at(pointer.segments())?;
        Some(matches!(self.node(index)?, Node::Object { .. }))
    }

    /// The value at a pointer, unless it is an object or an array: their text is the caller's to keep.
    #[must_use]
    pub fn scalar(&self, pointer: &Pointer) -> Option<Value<'_>> {
        match self.at(pointer.segments()) {
            None => Some(Value::Missing),
            Some(index) => match self.node(index) {
                Some(Node::Array { .. } | Node::Object { .. }) => None,
                _ => Some(self.value(index)),
            },
        }
    }

    /// The keys of the object at a pointer; none where it is not an object.
    pub fn keys<'a>(&'a self, pointer: &Pointer) -> impl Iterator<Item = &'a str> + use<'a> {
        let range = match self.at(pointer.segments()).and_then(|index| Some((index, self.node(index)?))) {
            Some((index, Node::Object { end })) => (index.saturating_add(1), end),
            _ => (0, 0),
        };
        let mut next = range.0;
        std::iter::from_fn(move || {
            if next >= range.1 {
                return None;
            }
            let key = self.text_of(next);
            next = self.after(next.saturating_add(1));
            Some(key)
        })
    }

    /// The members of the array or object at `index`: their key, in an object, and their index. None for a scalar.
    pub(crate) fn members(&self, index: u32) -> impl Iterator<Item = (Option<&str>, u32)> {
        let (end, keyed) = match self.node(index) {
            Some(Node::Array { end }) => (end, false),
            Some(Node::Object { end }) => (end, true),
            _ => (0, false),
        };
        let mut next = index.saturating_add(1);
        std::iter::from_fn(move || {
            if next >= end {
                return None;
            }
            let key = keyed.then(|| self.text_of(next));
            let value = if keyed { next.saturating_add(1) } else { next };
            next = self.after(value);
            Some((key, value))
        })
    }

    /// The brackets of the array or object at `index`.
    pub(crate) fn brackets(&self, index: u32) -> Option<(char, char)> {
        match self.node(index)? {
            Node::Array { .. } => Some(('[', ']')),
            Node::Object { .. } => Some(('{', '}')),
            _ => None,
        }
    }

    /// The string at `index`, where it is one.
    pub(crate) fn string(&self, index: u32) -> Option<&str> {
        matches!(self.node(index)?, Node::Text { .. }).then(|| self.text_of(index))
    }

    fn node(&self, index: u32) -> Option<Node> {
        self.nodes.get(index as usize).copied()
    }

    /// The index after the value at `index` and everything in it.
    fn after(&self, index: u32) -> u32 {
        match self.node(index) {
            Some(Node::Array { end } | Node::Object { end }) => end,
            _ => index.saturating_add(1),
        }
    }

    fn at(&self, segments: &[Box<str>]) -> Option<u32> {
        segments.iter().try_fold(0u32, |index, segment| match self.node(index)? {
            Node::Object { end } => {
                let mut key = index.checked_add(1)?;
                while key < end {
                    let value = key.checked_add(1)?;
                    if self.text_of(key) == &**segment {
                        return Some(value);
                    }
                    key = self.after(value);
                }
                None
            }
            Node::Array { end } => {
                let wanted = array_index(segment)?;
                let mut item = index.checked_add(1)?;
                for _ in 0..wanted {
                    if item >= end {
                        return None;
                    }
                    item = self.after(item);
                }
                (item < end).then_some(item)
            }
            _ => None,
        })
    }

    fn text_of(&self, index: u32) -> &str {
        match self.node(index) {
            Some(Node::Text { start, len, unescaped }) => {
                let from = if unescaped { self.unescaped.as_str() } else { &self.text };
                from.get(start as usize..(start as usize).saturating_add(len as usize)).unwrap_or("")
            }
            _ => "",
        }
    }

    fn value(&self, index: u32) -> Value<'_> {
        match self.node(index) {
            None => Value::Missing,
            Some(Node::Null) => Value::Null,
            Some(Node::Boolean(value)) => Value::Boolean(value),
            Some(Node::Integer(value)) => Value::Integer(value),
            Some(Node::Number(value)) => Value::Number(value),
            Some(Node::Text { .. }) => Value::Text(self.text_of(index)),
            Some(Node::Array { .. } | Node::Object { .. }) => {
                let mut out = String::new();
                self.write(index, &mut out);
                Value::Json(out.into())
            }
        }
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({} bytes, {} values)", self.text.len(), self.nodes.len())
    }
}

fn array_index(segment: &str) -> Option<usize> {
    let canonical = segment == "0" || (!segment.starts_with('0') && segment.bytes().all(|b| b.is_ascii_digit()));
    if canonical { segment.parse().ok() } else { None }
}

#[cfg(test)]
mod tests;
