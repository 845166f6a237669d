//! Strict JSON: what reaches a policy has exactly one reading.
//!
//! Built on `serde_json`'s parser, which refuses lone surrogates, trailing input and bad UTF-8; this adds what
//! [I-JSON (RFC 7493)](https://www.rfc-editor.org/rfc/rfc7493) asks for: no duplicate keys, no number that would
//! change on the way; and bounds on size, depth and the number of values. The tree is flat, in the text's order.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::pointer;

/// Largest document, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 32 * 1024 * 1024;
/// Deepest nesting of arrays and objects.
pub const MAX_DEPTH: usize = 64;
/// Most values and keys in one document.
pub const MAX_VALUES: usize = 4_000_000;

/// Objects with up to this many keys are searched for duplicates pair by pair; beyond, with a set.
const PAIRWISE_KEYS: usize = 12;

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
    /// A number that 64 bits cannot hold.
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
    /// Any other number; finite.
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
        let mut builder = Builder {
            text,
            unescaped: String::new(),
            nodes: Vec::with_capacity(text.len() / 16),
            depth: 0,
            problem: None,
        };
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let parsed = Seed(&mut builder).deserialize(&mut deserializer).and_then(|()| deserializer.end());
        if let Err(error) = parsed {
            return Err(builder.explain(&error));
        }
        let Builder { unescaped, nodes, .. } = builder;
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

    /// Whether the value at a pointer is an object; `None` where there is no value.
    #[must_use]
    pub fn is_object(&self, pointer: &Pointer) -> Option<bool> {
        let index = self.at(pointer.segments())?;
        Some(matches!(self.node(index)?, Node::Object { .. }))
    }

    /// Whether the value at a pointer is an object or an array.
    #[must_use]
    pub fn is_container(&self, pointer: &Pointer) -> bool {
        let node = self.at(pointer.segments()).and_then(|index| self.node(index));
        matches!(node, Some(Node::Array { .. } | Node::Object { .. }))
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

    /// Writes the value at `index` as compact JSON. Recursion is bounded by [`MAX_DEPTH`].
    fn write(&self, index: u32, out: &mut String) {
        use fmt::Write as _;
        match self.node(index) {
            None | Some(Node::Null) => out.push_str("null"),
            Some(Node::Boolean(value)) => out.push_str(if value { "true" } else { "false" }),
            Some(Node::Integer(value)) => _ = write!(out, "{value}"),
            Some(Node::Number(value)) => match serde_json::Number::from_f64(value) {
                Some(number) => _ = write!(out, "{number}"),
                None => out.push_str("null"),
            },
            Some(Node::Text { .. }) => write_string(self.text_of(index), out),
            Some(Node::Array { end }) => {
                out.push('[');
                let mut item = index.saturating_add(1);
                let first = item;
                while item < end {
                    if item != first {
                        out.push(',');
                    }
                    self.write(item, out);
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
                    write_string(self.text_of(key), out);
                    out.push(':');
                    let value = key.saturating_add(1);
                    self.write(value, out);
                    key = self.after(value);
                }
                out.push('}');
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

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|b| b < 0x20 || b == b'"' || b == b'\\') {
        use fmt::Write as _;
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

struct Builder<'t> {
    text: &'t str,
    unescaped: String,
    nodes: Vec<Node>,
    depth: usize,
    /// Set where one of our own rules was broken; serde's error then says only where.
    problem: Option<(DocumentErrorKind, String)>,
}

impl Builder<'_> {
    fn fail<E: serde::de::Error>(&mut self, kind: DocumentErrorKind, message: String) -> E {
        self.problem = Some((kind, message));
        E::custom("")
    }

    fn explain(self, error: &serde_json::Error) -> DocumentError {
        let place = format!("line {} column {}", error.line(), error.column());
        match self.problem {
            Some((kind, message)) => DocumentError { kind, message: format!("{message} ({place})") },
            // serde_json reports an exponent beyond a double's range as a syntax error.
            None if error.to_string().starts_with("number out of range") => DocumentError {
                kind: DocumentErrorKind::Number,
                message: format!("a number is out of range ({place})"),
            },
            None if error.to_string().starts_with("recursion limit") => {
                DocumentError { kind: DocumentErrorKind::Depth, message: format!("nested too deep ({place})") }
            }
            None => DocumentError { kind: DocumentErrorKind::Syntax, message: error.to_string() },
        }
    }

    fn push<E: serde::de::Error>(&mut self, node: Node) -> Result<u32, E> {
        if self.nodes.len() >= MAX_VALUES {
            return Err(self.fail(DocumentErrorKind::Size, format!("more than {MAX_VALUES} values")));
        }
        let index = self.nodes.len() as u32;
        self.nodes.push(node);
        Ok(index)
    }

    fn push_borrowed<E: serde::de::Error>(&mut self, text: &str) -> Result<u32, E> {
        let start = (text.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        if self.text.get(start..start.wrapping_add(text.len())) == Some(text) {
            return self.push(Node::Text { start: start as u32, len: text.len() as u32, unescaped: false });
        }
        self.push_owned(text)
    }

    fn push_owned<E: serde::de::Error>(&mut self, text: &str) -> Result<u32, E> {
        let start = self.unescaped.len() as u32;
        self.unescaped.push_str(text);
        self.push(Node::Text { start, len: text.len() as u32, unescaped: true })
    }

    fn key(&self, index: u32) -> &str {
        match self.nodes.get(index as usize) {
            Some(Node::Text { start, len, unescaped }) => {
                let from = if *unescaped { self.unescaped.as_str() } else { self.text };
                from.get(*start as usize..(*start as usize).saturating_add(*len as usize)).unwrap_or("")
            }
            _ => "",
        }
    }

    fn enter<E: serde::de::Error>(&mut self, node: Node) -> Result<u32, E> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > MAX_DEPTH {
            return Err(self.fail(DocumentErrorKind::Depth, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.push(node)
    }

    fn leave(&mut self, index: u32) {
        self.depth = self.depth.saturating_sub(1);
        let after = self.nodes.len() as u32;
        if let Some(Node::Array { end } | Node::Object { end }) = self.nodes.get_mut(index as usize) {
            *end = after;
        }
    }
}

struct Seed<'b, 't>(&'b mut Builder<'t>);

impl<'de> DeserializeSeed<'de> for Seed<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.0.push(Node::Null).map(drop)
    }
    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.0.push(Node::Boolean(value)).map(drop)
    }
    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.0.push(Node::Integer(value)).map(drop)
    }
    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        match i64::try_from(value) {
            Ok(value) => self.0.push(Node::Integer(value)).map(drop),
            Err(_) => Err(self.0.fail(DocumentErrorKind::Number, format!("{value} does not fit 64 bits with a sign"))),
        }
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        // serde_json turns an integer beyond 64 bits into a double: it would silently become another number.
        const BEYOND_INTEGERS: f64 = 9_223_372_036_854_775_808.0;
        if value.is_finite() && value.abs() < BEYOND_INTEGERS {
            return self.0.push(Node::Number(value)).map(drop);
        }
        Err(self.0.fail(DocumentErrorKind::Number, "a number is 2^63 or larger".into()))
    }
    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<(), E> {
        self.0.push_borrowed(text).map(drop)
    }
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.0.push_owned(text).map(drop)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let index = self.0.enter(Node::Array { end: 0 })?;
        while items.next_element_seed(Seed(self.0))?.is_some() {}
        self.0.leave(index);
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let builder = self.0;
        let index = builder.enter(Node::Object { end: 0 })?;
        let mut keys = Keys::default();
        loop {
            let key = builder.nodes.len() as u32;
            if entries.next_key_seed(Key(builder))?.is_none() {
                break;
            }
            if keys.repeats(builder, key) {
                let name: String = builder.key(key).chars().take(80).collect();
                return Err(builder.fail(DocumentErrorKind::DuplicateKey, format!("the key {name:?} appears twice")));
            }
            entries.next_value_seed(Seed(builder))?;
        }
        builder.leave(index);
        Ok(())
    }
}

struct Key<'b, 't>(&'b mut Builder<'t>);

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(Seed(self.0))
    }
}

/// The keys of one object so far: indices on the stack while there are few, a set of strings beyond.
#[derive(Default)]
struct Keys {
    few: [u32; PAIRWISE_KEYS],
    count: usize,
    many: HashSet<String>,
}

impl Keys {
    fn repeats(&mut self, builder: &Builder<'_>, key: u32) -> bool {
        let name = builder.key(key);
        if let Some(slot) = self.few.get_mut(self.count) {
            *slot = key;
            let earlier = self.few.get(..self.count).unwrap_or_default();
            self.count = self.count.saturating_add(1);
            return earlier.iter().any(|other| builder.key(*other) == name);
        }
        if self.many.is_empty() {
            self.many.extend(self.few.iter().map(|other| builder.key(*other).to_owned()));
        }
        !self.many.insert(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> DocumentErrorKind {
        match Document::parse(text.as_bytes()) {
            Ok(_) => panic!("accepted {text}"),
            Err(error) => error.kind,
        }
    }

    fn get<'a>(document: &'a Document, at: &str) -> Value<'a> {
        document.get(&Pointer::new(at).expect("a pointer"))
    }

    #[test]
    fn reads_every_kind_of_value() {
        let text = r#" {"a":null,"b":true,"c":-3,"d":1.5,"e":"x\n\"","f":[1,[2],{"g":"h"}],"~/":{"":7}} "#;
        let document = Document::parse(text.as_bytes()).expect("valid");
        assert_eq!(get(&document, "/a"), Value::Null);
        assert_eq!(get(&document, "/b"), Value::Boolean(true));
        assert_eq!(get(&document, "/c"), Value::Integer(-3));
        assert_eq!(get(&document, "/d"), Value::Number(1.5));
        assert_eq!(get(&document, "/e"), Value::Text("x\n\""));
        assert_eq!(get(&document, "/f"), Value::Json(r#"[1,[2],{"g":"h"}]"#.into()));
        assert_eq!(get(&document, "/f/1/0"), Value::Integer(2));
        assert_eq!(get(&document, "/f/2/g"), Value::Text("h"));
        assert_eq!(get(&document, "/~0~1/"), Value::Integer(7));
        for missing in ["/z", "/f/3", "/f/01", "/f/-", "/a/b", "/e/0", "/f/18446744073709551616"] {
            assert_eq!(get(&document, missing), Value::Missing, "{missing}");
        }
        let compact = r#"{"a":null,"b":true,"c":-3,"d":1.5,"e":"x\n\"","f":[1,[2],{"g":"h"}],"~/":{"":7}}"#;
        assert_eq!(get(&document, ""), Value::Json(compact.into()));
    }

    #[test]
    fn refuses_what_has_two_readings() {
        use DocumentErrorKind::{Depth, DuplicateKey, Number, Syntax};
        assert_eq!(kind(r#"{"a":1,"a":1}"#), DuplicateKey);
        assert_eq!(kind(r#"{"x":{"a":1,"\u0061":2}}"#), DuplicateKey);
        let many: String = (0..50).map(|n| format!("\"k{n}\":0,")).collect();
        assert_eq!(kind(&format!("{{{many}\"k7\":1}}")), DuplicateKey);
        assert!(Document::parse(format!("{{{many}\"k\":1}}").as_bytes()).is_ok());
        for number in ["9223372036854775808", "-9223372036854775809", "1e400", "1e30", "123456789012345678901234567890"]
        {
            assert_eq!(kind(number), Number, "{number}");
        }
        for text in ["", " ", "{", "{}x", "[1,]", "{\"a\"}", "NaN", "\"\\ud800\"", "\"\u{1}\"", "01", "{}{}", "'a'"] {
            assert_eq!(kind(text), Syntax, "{text}");
        }
        assert_eq!(Document::parse(b"\"\xff\"").err().map(|e| e.kind), Some(Syntax));
        assert!(Document::parse(format!("{}{}", "[".repeat(64), "]".repeat(64)).as_bytes()).is_ok());
        assert_eq!(kind(&format!("{}{}", "[".repeat(65), "]".repeat(65))), Depth);
        assert_eq!(kind(&"[".repeat(10_000)), Depth);
        assert_eq!(kind(&"{\"a\":".repeat(10_000)), Depth);
    }

    #[test]
    fn bounds_are_checked_before_parsing() {
        let huge = vec![b' '; MAX_DOCUMENT_BYTES + 1];
        assert_eq!(Document::parse(&huge).err().map(|e| e.kind), Some(DocumentErrorKind::Size));
        let values = format!("[{}0]", "0,".repeat(MAX_VALUES));
        assert_eq!(kind(&values), DocumentErrorKind::Size);
    }

    proptest::proptest! {
        /// Whatever we accept, serde_json accepts and reads the same; what we write back is the same document.
        #[test]
        fn agrees_with_serde_json(value in json()) {
            let text = serde_json::to_string_pretty(&value).expect("serializes");
            let document = Document::parse(text.as_bytes()).expect("accepted");
            let mut out = String::new();
            document.write(0, &mut out);
            let again: serde_json::Value = serde_json::from_str(&out).expect("valid");
            proptest::prop_assert_eq!(again, value);
        }
    }

    fn json() -> impl proptest::strategy::Strategy<Value = serde_json::Value> {
        use proptest::prelude::*;
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            (-1e15f64..1e15).prop_map(|n| serde_json::json!(n)),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(6, 200, 20, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..20).prop_map(Into::into),
                proptest::collection::hash_map(any::<String>(), inner, 0..20)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }
}
