use std::collections::BTreeMap;

use crate::json::{Json, Scalar};
use crate::time::Time;

/// JSON text put together at compile time, so that describing a policy runs nothing of it.
#[derive(Clone, Copy)]
pub enum Rope {
    /// A piece.
    Text(&'static str),
    /// Pieces, one after the other.
    Parts(&'static [Rope]),
}

impl Rope {
    /// The length in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Rope::Text(text) => text.len(),
            Rope::Parts(parts) => {
                let mut len = 0;
                let mut rest = *parts;
                while let [first, after @ ..] = rest {
                    len += first.len();
                    rest = after;
                }
                len
            }
        }
    }

    /// Whether there is no text at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The whole text as bytes; `N` must be [`Rope::len`].
    #[must_use]
    pub const fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        let end = self.write(&mut bytes, 0);
        assert!(end == N, "N is the length of the rope");
        bytes
    }

    #[expect(clippy::indexing_slicing, reason = "runs at compile time, where a bad index is a build error")]
    const fn write(&self, to: &mut [u8], mut at: usize) -> usize {
        match self {
            Rope::Text(text) => {
                let bytes = text.as_bytes();
                let mut n = 0;
                while n < bytes.len() {
                    to[at] = bytes[n];
                    at += 1;
                    n += 1;
                }
            }
            Rope::Parts(parts) => {
                let mut rest = *parts;
                while let [first, after @ ..] = rest {
                    at = first.write(to, at);
                    rest = after;
                }
            }
        }
        at
    }
}

/// The text.
impl std::fmt::Display for Rope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Rope::Text(text) => f.write_str(text),
            Rope::Parts(parts) => parts.iter().try_for_each(|part| part.fmt(f)),
        }
    }
}

/// A type whose values are described by a JSON Schema (draft 2020-12), in pieces that a field's own documentation and
/// range can replace.
pub trait Schema {
    /// The member `"description"` with a comma behind it, or nothing.
    const ABOUT: Rope = Rope::Text("");
    /// The members of the schema object, without its braces: `"type":"string"`. Not empty.
    const MEMBERS: Rope;
    /// The members `"minimum"` and `"maximum"` with a comma before each, or nothing.
    const BOUNDS: Rope = Rope::Text("");
}

macro_rules! schemas {
    ($($type:ty: $members:literal $bounds:literal),* $(,)?) => { $(
        impl Schema for $type {
            const MEMBERS: Rope = Rope::Text($members);
            const BOUNDS: Rope = Rope::Text($bounds);
        }
    )* };
}

schemas! {
    String: r#""type":"string""# "",
    bool: r#""type":"boolean""# "",
    f64: r#""type":"number""# "",
    i8: r#""type":"integer""# r#","minimum":-128,"maximum":127"#,
    i16: r#""type":"integer""# r#","minimum":-32768,"maximum":32767"#,
    i32: r#""type":"integer""# r#","minimum":-2147483648,"maximum":2147483647"#,
    i64: r#""type":"integer""# "",
    u8: r#""type":"integer""# r#","minimum":0,"maximum":255"#,
    u16: r#""type":"integer""# r#","minimum":0,"maximum":65535"#,
    u32: r#""type":"integer""# r#","minimum":0,"maximum":4294967295"#,
    u64: r#""type":"integer""# r#","minimum":0"#,
    usize: r#""type":"integer""# r#","minimum":0"#,
    Scalar: r#""type":["string","number","boolean","null"]"# "",
    Json: r#""type":["object","array","string","number","boolean","null"]"# "",
    Time: r#""type":"string","format":"date-time""# "",
}

/// `wraps!(T: before, after)`: the schema of `T` as an object between two texts.
macro_rules! wraps {
    ($item:ident: $before:literal, $after:literal) => {
        const MEMBERS: Rope =
            Rope::Parts(&[Rope::Text($before), $item::ABOUT, $item::MEMBERS, $item::BOUNDS, Rope::Text($after)]);
    };
}

impl<T: Schema> Schema for Option<T> {
    wraps!(T: r#""anyOf":[{"type":"null"},{"#, "}]");
}

impl<T: Schema> Schema for Vec<T> {
    wraps!(T: r#""type":"array","items":{"#, "}");
}

impl<T: Schema> Schema for BTreeMap<String, T> {
    wraps!(T: r#""type":"object","additionalProperties":{"#, "}");
}

impl<T: Schema> Schema for Box<T> {
    const ABOUT: Rope = T::ABOUT;
    const MEMBERS: Rope = T::MEMBERS;
    const BOUNDS: Rope = T::BOUNDS;
}
