//! Builds the tree from `serde_json`'s events, and refuses what has two readings.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{DocumentError, DocumentErrorKind, MAX_DEPTH, MAX_VALUES, Node, numbers};

/// Objects with up to this many keys are searched for duplicates pair by pair; beyond, with a set.
const PAIRWISE_KEYS: usize = 12;

/// The nodes of a document, and the strings that differ from its text because of escapes.
pub(super) fn build(text: &str) -> Result<(Vec<Node>, String), DocumentError> {
    // Measured: real documents have a value or key for every 20 to 30 bytes.
    let nodes = Vec::with_capacity(text.len() / 16);
    let mut builder = Builder { text, unescaped: String::new(), nodes, depth: 0, doubtful: false, problem: None };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    match Seed(&mut builder).deserialize(&mut deserializer).and_then(|()| deserializer.end()) {
        Ok(()) => match builder.doubtful.then(|| numbers::first_changed(text)).flatten() {
            Some((at, problem)) => Err(DocumentError {
                kind: DocumentErrorKind::Number,
                message: format!("{problem} ({})", place(text, at)),
            }),
            None => Ok((builder.nodes, builder.unescaped)),
        },
        Err(error) => Err(builder.explain(&error)),
    }
}

/// As serde_json says where something is: lines from 1, columns in bytes.
fn place(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.bytes().filter(|b| *b == b'\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().map_or(0, str::len).saturating_add(1);
    format!("line {line} column {column}")
}

struct Builder<'t> {
    text: &'t str,
    unescaped: String,
    nodes: Vec<Node>,
    depth: usize,
    /// Whether a number may be another one than what was written.
    doubtful: bool,
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
            self.0.doubtful |= numbers::is_doubtful(value);
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
