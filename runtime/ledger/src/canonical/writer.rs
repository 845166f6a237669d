//! Writes canonical JSON in one pass: members are written in the order in which they come, and moved where that is not
//! the order of their keys.

use std::cmp::Ordering;
use std::io::{Error, Result, Write};

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, Serializer};

use super::{MAX_INTEGER, Numbers};

/// What is written so far, and where the members of the objects stand that are not closed yet.
pub(super) struct Writer {
    out: Vec<u8>,
    numbers: Numbers,
    /// Where the members of each open object begin in `members`.
    objects: Vec<usize>,
    members: Vec<Member>,
    /// Whether the text that is being written is plain so far.
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
    pub(super) fn write<T: Serialize + ?Sized>(value: &T, numbers: Numbers) -> serde_json::Result<Vec<u8>> {
        let mut writer = Writer {
            out: Vec::with_capacity(1024),
            numbers,
            objects: Vec::new(),
            members: Vec::new(),
            plain: true,
            moved: Vec::new(),
        };
        value.serialize(&mut Serializer::with_formatter(Nothing, &mut writer))?;
        Ok(writer.out)
    }

    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn push_separator(&mut self, first: bool) -> Result<()> {
        if first { Ok(()) } else { self.push(b",") }
    }

    fn push_small(&mut self, value: impl std::fmt::Display) -> Result<()> {
        write!(self.out, "{value}")
    }

    fn push_integer(&mut self, value: impl std::fmt::Display, size: u64) -> Result<()> {
        if self.numbers == Numbers::Integers && size > MAX_INTEGER {
            return Err(Error::other(NO_INTEGER));
        }
        self.push_small(value)
    }

    fn push_float(&mut self, value: f64) -> Result<()> {
        match self.numbers {
            Numbers::Integers => Err(Error::other(NO_INTEGER)),
            Numbers::All if !value.is_finite() => Err(Error::other("a number that is no number")),
            Numbers::All => self.push(ryu_js::Buffer::new().format_finite(value).as_bytes()),
        }
    }

    fn text(&self, start: usize, end: usize) -> Result<&[u8]> {
        self.out.get(start..end).ok_or_else(|| Error::other("a member ends before it begins"))
    }

    /// Puts the members of the innermost object into their order.
    fn sort(&mut self) -> Result<()> {
        let first = self.objects.pop().unwrap_or(0);
        let members = self.members.get(first..).unwrap_or(&[]);
        let mut sorted = true;
        for pair in members.windows(2) {
            if let [one, other] = pair {
                match self.key(one)?.order(self.key(other)?)? {
                    Ordering::Less => {}
                    Ordering::Equal => return Err(Error::other(TWICE)),
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
                return Err(Error::other(TWICE));
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
        Ok(serde_json::from_slice(&quoted)?)
    }
}

const NO_INTEGER: &str = "a number that is no integer of 53 bits";
const TWICE: &str = "a member is there twice";

/// Takes nothing: what a [`Formatter`] writes to its writer by default would be missing from the text.
struct Nothing;

impl Write for Nothing {
    fn write(&mut self, _: &[u8]) -> Result<usize> {
        Err(Error::other("a value that is not JSON"))
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Formatter for &mut Writer {
    fn write_null<W: ?Sized + Write>(&mut self, _: &mut W) -> Result<()> {
        self.push(b"null")
    }

    fn write_bool<W: ?Sized + Write>(&mut self, _: &mut W, value: bool) -> Result<()> {
        self.push(if value { b"true" } else { b"false" })
    }

    fn write_i8<W: ?Sized + Write>(&mut self, _: &mut W, value: i8) -> Result<()> {
        self.push_small(value)
    }

    fn write_i16<W: ?Sized + Write>(&mut self, _: &mut W, value: i16) -> Result<()> {
        self.push_small(value)
    }

    fn write_i32<W: ?Sized + Write>(&mut self, _: &mut W, value: i32) -> Result<()> {
        self.push_small(value)
    }

    fn write_i64<W: ?Sized + Write>(&mut self, _: &mut W, value: i64) -> Result<()> {
        self.push_integer(value, value.unsigned_abs())
    }

    fn write_u8<W: ?Sized + Write>(&mut self, _: &mut W, value: u8) -> Result<()> {
        self.push_small(value)
    }

    fn write_u16<W: ?Sized + Write>(&mut self, _: &mut W, value: u16) -> Result<()> {
        self.push_small(value)
    }

    fn write_u32<W: ?Sized + Write>(&mut self, _: &mut W, value: u32) -> Result<()> {
        self.push_small(value)
    }

    fn write_u64<W: ?Sized + Write>(&mut self, _: &mut W, value: u64) -> Result<()> {
        self.push_integer(value, value)
    }

    fn write_f32<W: ?Sized + Write>(&mut self, _: &mut W, value: f32) -> Result<()> {
        self.push_float(value.into())
    }

    fn write_f64<W: ?Sized + Write>(&mut self, _: &mut W, value: f64) -> Result<()> {
        self.push_float(value)
    }

    fn begin_string<W: ?Sized + Write>(&mut self, _: &mut W) -> Result<()> {
        self.push(b"\"")
    }

    fn end_string<W: ?Sized + Write>(&mut self, _: &mut W) -> Result<()> {
        self.push(b"\"")
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, _: &mut W, fragment: &str) -> Result<()> {
        self.plain &= fragment.is_ascii();
        self.push(fragment.as_bytes())
    }

    /// serde_json escapes what RFC 8785 does, and as it does.
    fn write_char_escape<W: ?Sized + Write>(&mut self, _: &mut W, escape: CharEscape) -> Result<()> {
        self.plain = false;
        serde_json::ser::CompactFormatter.write_char_escape(&mut self.out, escape)
    }

    fn begin_array<W: ?Sized + Write>(&mut self, _: &mut W) -> Result<()> {
        self.push(b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, _: &mut W) -> Result<()> {
        self.push(b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, _: &mut W, first: bool) -> Result<()> {
        self.push_separator(first)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, _: &mut W) -> Result<()> {
        let first = self.members.len();
        self.objects.push(first);
        self.push(b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, _: &mut W) -> Result<()> {
        self.sort()?;
        self.push(b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, _: &mut W, first: bool) -> Result<()> {
        self.push_separator(first)?;
        let start = self.out.len();
        self.members.push(Member { start, key_end: start, plain: false });
        self.plain = true;
        Ok(())
    }

    fn end_object_key<W: ?Sized + Write>(&mut self, _: &mut W) -> Result<()> {
        let (end, plain) = (self.out.len(), self.plain);
        let member = self.members.last_mut().ok_or_else(|| Error::other("a key without a member"))?;
        (member.key_end, member.plain) = (end, plain);
        Ok(())
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> Result<()> {
        self.push(b":")
    }
}
