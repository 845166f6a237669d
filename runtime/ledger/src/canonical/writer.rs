//! Writes canonical JSON in one pass: members are written in the order in which they come, and moved where that is not
//! the order of their keys.

use std::cmp::Ordering;
use std::fmt::Display;
use std::io::Write as _;

use serde::Serialize;
use serde::ser::{
    Error as _, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::{Error, Result};

use super::{MAX_INTEGER, Numbers};

/// What is written so far, and where the members of the objects stand that are not closed yet.
pub(super) struct Writer {
    out: Vec<u8>,
    numbers: Numbers,
    members: Vec<Member>,
    /// Whether the last text was plain.
    plain: bool,
    /// For moving members.
    moved: Vec<u8>,
}

/// A member, from its key's first quote up to the next member's comma, or to the end.
struct Member {
    start: usize,
    key_end: usize,
    /// Whether the key has neither escapes nor other characters than ASCII.
    plain: bool,
}

impl Writer {
    pub(super) fn write<T: Serialize + ?Sized>(value: &T, numbers: Numbers) -> Result<Vec<u8>> {
        let mut writer =
            Writer { out: Vec::with_capacity(CAPACITY), numbers, members: Vec::new(), plain: true, moved: Vec::new() };
        value.serialize(&mut writer)?;
        Ok(writer.out)
    }

    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn push_integer(&mut self, value: impl Display, size: u64) -> Result<()> {
        if self.numbers == Numbers::Integers && size > MAX_INTEGER {
            return Err(Error::custom(NO_INTEGER));
        }
        write!(self.out, "{value}").map_err(Error::custom)
    }

    /// RFC 8785, 3.2.2.2.
    fn push_text(&mut self, text: &str) -> Result<()> {
        let must = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
        // Without a branch in the loop: nearly no text has anything to escape.
        let escapes = text.as_bytes().iter().fold(false, |found, byte| found | must(byte));
        self.plain = !escapes && text.is_ascii();
        self.out.push(b'"');
        let mut rest = text.as_bytes();
        while escapes && let Some(at) = rest.iter().position(must) {
            let (before, from) = rest.split_at(at);
            self.out.extend_from_slice(before);
            if let Some((byte, behind)) = from.split_first() {
                match byte {
                    b'"' => self.push(br#"\""#)?,
                    b'\\' => self.push(br"\\")?,
                    0x08 => self.push(br"\b")?,
                    b'\t' => self.push(br"\t")?,
                    b'\n' => self.push(br"\n")?,
                    0x0c => self.push(br"\f")?,
                    b'\r' => self.push(br"\r")?,
                    other => write!(self.out, "\\u{other:04x}").map_err(Error::custom)?,
                }
                rest = behind;
            }
        }
        self.out.extend_from_slice(rest);
        self.out.push(b'"');
        Ok(())
    }

    fn begin(&mut self, bracket: u8, close: u8) -> Parts<'_> {
        self.out.push(bracket);
        Parts { first: self.members.len(), some: false, variant: None, close, writer: self }
    }

    /// An object with one member: a variant that is not only a name.
    fn begin_variant(&mut self, variant: &str, bracket: u8, close: u8) -> Result<Parts<'_>> {
        let first = self.members.len();
        self.out.push(b'{');
        self.push_text(variant)?;
        self.out.push(b':');
        self.out.push(bracket);
        Ok(Parts { first, some: false, variant: Some(b'}'), close, writer: self })
    }

    fn text(&self, start: usize, end: usize) -> Result<&[u8]> {
        self.out.get(start..end).ok_or_else(|| Error::custom("a member ends before it begins"))
    }

    /// Puts the members of the innermost object into their order.
    fn sort(&mut self, first: usize) -> Result<()> {
        let members = self.members.get(first..).unwrap_or(&[]);
        let mut sorted = true;
        for pair in members.windows(2) {
            if let [one, other] = pair {
                match self.key(one)?.order(self.key(other)?)? {
                    Ordering::Less => {}
                    Ordering::Equal => return Err(Error::custom(TWICE)),
                    Ordering::Greater => sorted = false,
                }
            }
        }
        if !sorted {
            self.move_members(first)?;
        }
        self.members.truncate(first);
        Ok(())
    }

    fn move_members(&mut self, first: usize) -> Result<()> {
        let mut moved = std::mem::take(&mut self.moved);
        moved.clear();
        let members = self.members.get(first..).unwrap_or(&[]);
        let Some(start) = members.first().map(|member| member.start) else { return Ok(()) };
        let ends = members.iter().skip(1).map(|next| next.start.saturating_sub(1)).chain([self.out.len()]);
        let mut parts = Vec::with_capacity(members.len());
        for (member, end) in members.iter().zip(ends) {
            parts.push((self.key(member)?, self.text(member.start, end)?));
        }
        let mut problem = None;
        parts.sort_by(|(one, _), (other, _)| {
            one.order(*other).unwrap_or_else(|error| {
                problem = Some(error);
                Ordering::Equal
            })
        });
        if let Some(problem) = problem {
            return Err(problem);
        }
        // Equal keys stand side by side now.
        let mut before = None;
        for (key, text) in parts {
            if before == Some(key) {
                return Err(Error::custom(TWICE));
            }
            if before.replace(key).is_some() {
                moved.push(b',');
            }
            moved.extend_from_slice(text);
        }
        self.out.truncate(start);
        self.out.extend_from_slice(&moved);
        self.moved = moved;
        Ok(())
    }

    /// A member's key as it is written, without the quotes.
    fn key(&self, member: &Member) -> Result<Key<'_>> {
        let text = self.text(member.start.saturating_add(1), member.key_end.saturating_sub(1))?;
        Ok(Key { text, plain: member.plain })
    }
}

/// A key as it is written, without the quotes. Equal keys are written alike.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key<'w> {
    text: &'w [u8],
    plain: bool,
}

impl Key<'_> {
    /// By UTF-16 code units; of plain keys that is the order of the bytes.
    fn order(self, other: Key<'_>) -> Result<Ordering> {
        if self.plain && other.plain {
            return Ok(self.text.cmp(other.text));
        }
        Ok(self.unescaped()?.encode_utf16().cmp(other.unescaped()?.encode_utf16()))
    }

    fn unescaped(self) -> Result<String> {
        let quoted = [b"\"", self.text, b"\""].concat();
        serde_json::from_slice(&quoted)
    }
}

/// Enough for nearly every event.
const CAPACITY: usize = 4096;
const NO_INTEGER: &str = "a number that is no integer of 53 bits";
const TWICE: &str = "a member is there twice";

const NO_JSON: &str = "a value that is not JSON";

/// What is inside of brackets.
pub(super) struct Parts<'w> {
    writer: &'w mut Writer,
    /// Where the members of this object begin.
    first: usize,
    /// Whether there is a part already.
    some: bool,
    close: u8,
    variant: Option<u8>,
}

impl Parts<'_> {
    fn separate(&mut self) {
        if std::mem::replace(&mut self.some, true) {
            self.writer.out.push(b',');
        }
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.separate();
        value.serialize(&mut *self.writer)
    }

    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.separate();
        let start = self.writer.out.len();
        key.serialize(&mut *self.writer)?;
        if self.writer.out.get(start) != Some(&b'"') {
            return Err(Error::custom("a member whose name is no text"));
        }
        let (key_end, plain) = (self.writer.out.len(), self.writer.plain);
        self.writer.members.push(Member { start, key_end, plain });
        self.writer.push(b":")
    }

    fn close(self) -> Result<()> {
        if self.close == b'}' {
            self.writer.sort(self.first)?;
        }
        self.writer.out.push(self.close);
        self.writer.out.extend(self.variant);
        Ok(())
    }
}

/// Every kind of sequence has the same parts.
macro_rules! items {
    ($($kind:ident::$method:ident),*) => {
        $(impl $kind for Parts<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                self.item(value)
            }

            fn end(self) -> Result<()> {
                self.close()
            }
        })*
    };
}

/// And so has every kind of object.
macro_rules! members {
    ($($kind:ident),*) => {
        $(impl $kind for Parts<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<()> {
                self.key(name)?;
                value.serialize(&mut *self.writer)
            }

            fn end(self) -> Result<()> {
                self.close()
            }
        })*
    };
}

items! {
    SerializeSeq::serialize_element, SerializeTuple::serialize_element, SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
}
members!(SerializeStruct, SerializeStructVariant);

impl SerializeMap for Parts<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        value.serialize(&mut *self.writer)
    }

    fn end(self) -> Result<()> {
        self.close()
    }
}

/// Writes numbers of a type.
macro_rules! integers {
    ($($method:ident($kind:ty): $size:expr),*) => {
        $(fn $method(self, value: $kind) -> Result<()> {
            let size: fn($kind) -> u64 = $size;
            self.push_integer(value, size(value))
        })*
    };
}

impl<'w> Serializer for &'w mut Writer {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Parts<'w>;
    type SerializeTuple = Parts<'w>;
    type SerializeTupleStruct = Parts<'w>;
    type SerializeTupleVariant = Parts<'w>;
    type SerializeMap = Parts<'w>;
    type SerializeStruct = Parts<'w>;
    type SerializeStructVariant = Parts<'w>;

    integers! {
        serialize_i8(i8): |value| value.unsigned_abs().into(),
        serialize_i16(i16): |value| value.unsigned_abs().into(),
        serialize_i32(i32): |value| value.unsigned_abs().into(),
        serialize_i64(i64): i64::unsigned_abs,
        serialize_u8(u8): u64::from,
        serialize_u16(u16): u64::from,
        serialize_u32(u32): u64::from,
        serialize_u64(u64): |value| value
    }

    fn serialize_bool(self, value: bool) -> Result<()> {
        self.push(if value { b"true" } else { b"false" })
    }

    fn serialize_f32(self, value: f32) -> Result<()> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<()> {
        match self.numbers {
            Numbers::Integers => Err(Error::custom(NO_INTEGER)),
            Numbers::All if !value.is_finite() => Err(Error::custom("a number that is no number")),
            Numbers::All => self.push(ryu_js::Buffer::new().format_finite(value).as_bytes()),
        }
    }

    fn serialize_char(self, value: char) -> Result<()> {
        self.push_text(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<()> {
        self.push_text(value)
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<()> {
        Err(Error::custom(NO_JSON))
    }

    fn serialize_none(self) -> Result<()> {
        self.push(b"null")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<()> {
        self.push(b"null")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<()> {
        self.push(b"null")
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<()> {
        self.push_text(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<()> {
        let mut parts = self.begin(b'{', b'}');
        SerializeStruct::serialize_field(&mut parts, variant, value)?;
        parts.close()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'w>> {
        Ok(self.begin(b'[', b']'))
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts<'w>> {
        Ok(self.begin(b'[', b']'))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts<'w>> {
        Ok(self.begin(b'[', b']'))
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, variant: &'static str, _: usize) -> Result<Parts<'w>> {
        self.begin_variant(variant, b'[', b']')
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts<'w>> {
        Ok(self.begin(b'{', b'}'))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts<'w>> {
        Ok(self.begin(b'{', b'}'))
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, variant: &'static str, _: usize) -> Result<Parts<'w>> {
        self.begin_variant(variant, b'{', b'}')
    }
}
