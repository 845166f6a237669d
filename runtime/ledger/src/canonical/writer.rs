//! Writes canonical JSON in one pass: members are written in the order in which they come, and moved where that is not
//! the order of their keys.

use std::cmp::Ordering;
use std::fmt::Display;
use std::io::Write as _;

use serde::Serialize;
use serde::ser::Error as _;
use serde_json::{Error, Result};

use super::{MAX_INTEGER, Numbers};

/// What is written so far, and where the members of the objects stand that are not closed yet.
pub(super) struct Writer {
    pub(super) out: Vec<u8>,
    pub(super) numbers: Numbers,
    pub(super) members: Vec<Member>,
    /// Whether the last text was plain.
    pub(super) plain: bool,
    /// For moving members.
    moved: Vec<u8>,
}

/// A member, from its key's first quote up to the next member's comma, or to the end.
pub(super) struct Member {
    pub(super) start: usize,
    pub(super) key_end: usize,
    /// Whether the key has neither escapes nor other characters than ASCII.
    pub(super) plain: bool,
}

impl Writer {
    pub(super) fn write<T: Serialize + ?Sized>(value: &T, numbers: Numbers) -> Result<Vec<u8>> {
        let mut writer =
            Writer { out: Vec::with_capacity(CAPACITY), numbers, members: Vec::new(), plain: true, moved: Vec::new() };
        value.serialize(&mut writer)?;
        Ok(writer.out)
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    pub(super) fn push_integer(&mut self, value: impl Display, size: u64) -> Result<()> {
        if self.numbers == Numbers::Integers && size > MAX_INTEGER {
            return Err(Error::custom(NO_INTEGER));
        }
        write!(self.out, "{value}").map_err(Error::custom)
    }

    /// RFC 8785, 3.2.2.2.
    pub(super) fn push_text(&mut self, text: &str) -> Result<()> {
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

    fn text(&self, start: usize, end: usize) -> Result<&[u8]> {
        self.out.get(start..end).ok_or_else(|| Error::custom("a member ends before it begins"))
    }

    /// Puts the members of the innermost object into their order.
    pub(super) fn sort(&mut self, first: usize) -> Result<()> {
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
pub(super) const NO_INTEGER: &str = "a number that is no integer of 53 bits";
const TWICE: &str = "a member is there twice";
