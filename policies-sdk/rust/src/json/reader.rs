use std::borrow::Cow;

use super::{FromJson, Kind};
use crate::Problem;

/// Reads JSON text value by value and collects everything that is wrong, each with its JSON pointer.
///
/// Methods that read a value return `None` after recording a problem; the value has then been skipped, so that
/// reading goes on behind it. After malformed JSON every method returns `None`.
pub struct Reader<'t> {
    text: &'t str,
    at: usize,
    /// One step for each open array or object.
    path: Vec<Step<'t>>,
    problems: Vec<Problem>,
    malformed: bool,
}

enum Step<'t> {
    /// The index of the current item; before the first, `None`.
    Item(Option<usize>),
    /// The current key; before the first, `None`.
    Member(Option<Cow<'t, str>>),
}

/// A member of an object while the object is being read.
pub enum Slot<T> {
    /// The object has no such member so far.
    Absent,
    /// It has, and the problem is recorded.
    Wrong,
    /// Its value.
    Is(T),
}

impl<'t> Reader<'t> {
    /// A reader at the start of a text.
    #[must_use]
    pub fn new(text: &'t str) -> Reader<'t> {
        Reader { text, at: 0, path: Vec::new(), problems: Vec::new(), malformed: false }
    }

    /// Reads a whole text as one value.
    ///
    /// # Errors
    /// Everything that is wrong; at least one problem.
    pub fn read_all<T: FromJson>(text: &'t str) -> Result<T, Vec<Problem>> {
        let mut reader = Reader::new(text);
        let value = T::read(&mut reader);
        reader.end();
        match value {
            Some(value) if reader.problems.is_empty() => Ok(value),
            _ => Err(reader.into_problems()),
        }
    }

    #[inline(never)]
    fn end(&mut self) {
        if !self.malformed {
            self.space();
            if self.at < self.text.len() {
                self.stop("something follows the value");
            }
        }
    }

    #[cold]
    fn into_problems(mut self) -> Vec<Problem> {
        if self.problems.is_empty() {
            self.record(None, "cannot be read");
        }
        self.problems
    }

    /// What comes next, without reading it.
    #[inline(never)]
    pub fn peek(&mut self) -> Option<Kind> {
        if self.malformed {
            return None;
        }
        self.space();
        let kind = match self.byte() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::Text,
            Some(b't' | b'f') => Kind::Boolean,
            Some(b'n') => Kind::Null,
            Some(b'-' | b'0'..=b'9') => {
                if self.number_text(false)?.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
                    Kind::Number
                } else {
                    Kind::Integer
                }
            }
            _ => return self.malformed("expected a value"),
        };
        Some(kind)
    }

    /// Reads a string.
    #[inline(never)]
    pub fn text(&mut self) -> Option<Cow<'t, str>> {
        self.expect(Kind::Text, "a string")?;
        self.quoted()
    }

    /// Reads `true` or `false`.
    #[inline(never)]
    pub fn boolean(&mut self) -> Option<bool> {
        self.expect(Kind::Boolean, "true or false")?;
        let value = self.byte() == Some(b't');
        self.word(if value { "true" } else { "false" })?;
        Some(value)
    }

    /// Reads a number without fraction and exponent.
    #[inline(never)]
    pub fn integer(&mut self) -> Option<i64> {
        self.expect(Kind::Integer, "an integer")?;
        match self.number_text(true)?.parse() {
            Ok(value) => Some(value),
            Err(_) => self.problem("the integer does not fit into 64 bits"),
        }
    }

    /// Reads any number.
    #[inline(never)]
    pub fn number(&mut self) -> Option<f64> {
        if self.peek()? != Kind::Integer {
            self.expect(Kind::Number, "a number")?;
        }
        match self.number_text(true)?.parse::<f64>() {
            Ok(value) if value.is_finite() => Some(value),
            _ => self.problem("the number is too large"),
        }
    }

    /// Reads `null` if it comes next, and says whether it did.
    #[inline(never)]
    pub fn null(&mut self) -> bool {
        self.peek() == Some(Kind::Null) && self.word("null").is_some()
    }

    /// Goes into an object; [`Reader::next_key`] follows.
    #[inline(never)]
    pub fn begin_object(&mut self) -> Option<()> {
        self.expect(Kind::Object, "an object")?;
        self.open(Step::Member(None))
    }

    /// The next key, whose value must then be read or skipped; `None` after the last, and the object is left.
    #[inline(never)]
    pub fn next_key(&mut self) -> Option<Cow<'t, str>> {
        let first = matches!(self.path.last(), Some(Step::Member(None)));
        self.separator(first, b'}')?;
        self.space();
        if self.byte() != Some(b'"') {
            return self.malformed("expected a key in double quotes");
        }
        let key = self.quoted()?;
        self.space();
        if self.byte() != Some(b':') {
            return self.malformed("expected a colon");
        }
        self.at = self.at.saturating_add(1);
        if let Some(last) = self.path.last_mut() {
            *last = Step::Member(Some(key.clone()));
        }
        Some(key)
    }

    /// Goes into an array; [`Reader::next_item`] follows.
    #[inline(never)]
    pub fn begin_array(&mut self) -> Option<()> {
        self.expect(Kind::Array, "a list")?;
        self.open(Step::Item(None))
    }

    /// Whether there is a next item, which must then be read or skipped; after the last, the array is left.
    #[inline(never)]
    pub fn next_item(&mut self) -> bool {
        let index = match self.path.last() {
            Some(Step::Item(index)) => *index,
            _ => None,
        };
        if self.separator(index.is_none(), b']').is_none() {
            return false;
        }
        if let Some(last) = self.path.last_mut() {
            *last = Step::Item(Some(index.map_or(0, |index| index.saturating_add(1))));
        }
        true
    }

    /// Whether an object comes next that has a member `key`, without reading it. To tell apart objects of different
    /// kinds.
    #[inline(never)]
    pub fn has_member(&mut self, key: &str) -> bool {
        if self.peek() != Some(Kind::Object) {
            return false;
        }
        let mut ahead = Reader::new(self.rest());
        let mut found = false;
        if ahead.begin_object().is_some() {
            while let Some(name) = ahead.next_key() {
                found |= name == key;
                ahead.skip();
            }
        }
        found
    }

    /// Skips the next value. What is inside an array or object is not checked beyond its brackets.
    #[inline(never)]
    pub fn skip(&mut self) -> Option<()> {
        match self.peek()? {
            Kind::Object | Kind::Array => {
                let end = end_of_container(self.text.as_bytes(), self.at);
                match end {
                    Some(end) => self.at = end,
                    None => return self.malformed("the end is missing"),
                }
            }
            Kind::Text => drop(self.quoted()?),
            Kind::Boolean => drop(self.boolean()?),
            Kind::Null => self.word("null")?,
            Kind::Integer | Kind::Number => drop(self.number_text(true)?),
        }
        Some(())
    }

    /// The text of the next value, which is skipped: what is inside an array or object is not checked.
    pub fn raw(&mut self) -> Option<&'t str> {
        self.peek()?;
        let start = self.at;
        self.skip()?;
        self.text.get(start..self.at)
    }

    /// Reads the value of a member into its slot. A second value for the same key is a problem.
    pub fn member<T: FromJson>(&mut self, slot: &mut Slot<T>) {
        if matches!(slot, Slot::Absent) {
            *slot = T::read(self).map_or(Slot::Wrong, Slot::Is);
        } else {
            self.problem::<()>("appears twice");
            self.skip();
            *slot = Slot::Wrong;
        }
    }

    /// Refuses and skips the value of a key that nobody knows.
    #[inline(never)]
    pub fn unknown(&mut self, known: &[&str]) {
        if known.is_empty() {
            self.problem::<()>("is not known here: nothing can be set");
        } else {
            self.problem::<()>(&format!("is not known here; known are {}", known.join(", ")));
        }
        self.skip();
    }

    /// The value of a member that must be there, after the object has been left.
    pub fn required<T: FromJson>(&mut self, key: &'static str, slot: Slot<T>) -> Option<T> {
        match slot {
            Slot::Is(value) => Some(value),
            Slot::Wrong => None,
            Slot::Absent => match T::absent() {
                Some(value) => Some(value),
                None => self.problem_at(key, "is missing"),
            },
        }
    }

    /// The value of a member, or what the JSON text `default` says, after the object has been left.
    pub fn defaulted<T: FromJson>(&mut self, key: &'static str, slot: Slot<T>, default: &str) -> Option<T> {
        match slot {
            Slot::Is(value) => Some(value),
            Slot::Wrong => None,
            Slot::Absent => match Reader::read_all(default) {
                Ok(value) => Some(value),
                Err(_) => self.problem_at(key, "is missing, and its default cannot be read"),
            },
        }
    }

    /// Records a problem with the current value. Always `None`, whatever was to be read.
    pub fn problem<T>(&mut self, message: &str) -> Option<T> {
        self.record(None, message);
        None
    }

    /// Records a problem with a member of the object that has just been left. Always `None`.
    pub fn problem_at<T>(&mut self, key: &str, message: &str) -> Option<T> {
        if !self.malformed {
            self.record(Some(key), message);
        }
        None
    }

    /// Records problems whose pointers start at the current value.
    #[cold]
    pub fn problems_within(&mut self, problems: Vec<Problem>) {
        let here = self.pointer();
        self.problems.extend(
            problems
                .into_iter()
                .map(|problem| Problem { at: format!("{here}{}", problem.at), message: problem.message }),
        );
    }

    #[cold]
    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for step in &self.path {
            match step {
                Step::Item(Some(index)) => push_segment(&mut pointer, &index.to_string()),
                Step::Member(Some(key)) => push_segment(&mut pointer, key),
                Step::Item(None) | Step::Member(None) => {}
            }
        }
        pointer
    }

    fn malformed<T>(&mut self, message: &str) -> Option<T> {
        self.stop(message);
        None
    }

    #[cold]
    #[inline(never)]
    fn stop(&mut self, message: &str) {
        if !self.malformed {
            self.malformed = true;
            self.record(None, &format!("malformed JSON at byte {}: {message}", self.at));
        }
    }

    #[cold]
    #[inline(never)]
    fn record(&mut self, key: Option<&str>, message: &str) {
        let mut at = self.pointer();
        if let Some(key) = key {
            push_segment(&mut at, key);
        }
        self.problems.push(Problem { at, message: message.into() });
    }

    /// Checks what comes next; anything else is a problem and is skipped.
    #[inline(never)]
    fn expect(&mut self, kind: Kind, name: &str) -> Option<()> {
        let found = self.peek()?;
        if found == kind {
            return Some(());
        }
        self.problem::<()>(&format!("must be {name}, not {}", found.name()));
        self.skip();
        None
    }

    #[inline(never)]
    fn open(&mut self, step: Step<'t>) -> Option<()> {
        if self.path.len() >= MAX_DEPTH {
            return self.malformed("nested too deep");
        }
        self.at = self.at.saturating_add(1);
        self.path.push(step);
        Some(())
    }

    /// Reads the comma between two values, or `close`, which leaves the container and gives `None`.
    #[inline(never)]
    fn separator(&mut self, first: bool, close: u8) -> Option<()> {
        if self.malformed {
            return None;
        }
        self.space();
        match self.byte() {
            Some(byte) if byte == close => {
                self.at = self.at.saturating_add(1);
                self.path.pop();
                None
            }
            Some(b',') if !first => {
                self.at = self.at.saturating_add(1);
                Some(())
            }
            Some(_) if first => Some(()),
            _ => self.malformed(if close == b'}' { "expected a comma or }" } else { "expected a comma or ]" }),
        }
    }

    fn word(&mut self, word: &str) -> Option<()> {
        if self.rest().starts_with(word) {
            self.at = self.at.saturating_add(word.len());
            return Some(());
        }
        self.malformed("expected a value")
    }

    /// The text of a number, which is read if `take`.
    #[inline(never)]
    pub(super) fn number_text(&mut self, take: bool) -> Option<&'t str> {
        let rest = self.rest();
        let Some(len) = number_len(rest.as_bytes()) else { return self.malformed("this is no number") };
        if take {
            self.at = self.at.saturating_add(len);
        }
        rest.get(..len)
    }

    /// Reads a string at its opening quote.
    #[inline(never)]
    fn quoted(&mut self) -> Option<Cow<'t, str>> {
        self.at = self.at.saturating_add(1);
        let plain = self.plain()?;
        if self.byte() == Some(b'"') {
            self.at = self.at.saturating_add(1);
            return Some(Cow::Borrowed(plain));
        }
        let mut text = String::from(plain);
        loop {
            match self.byte() {
                Some(b'"') => {
                    self.at = self.at.saturating_add(1);
                    return Some(Cow::Owned(text));
                }
                Some(b'\\') => {
                    self.at = self.at.saturating_add(1);
                    text.push(self.escape()?);
                }
                _ => text.push_str(self.plain()?),
            }
        }
    }

    /// The characters up to the next quote or backslash.
    #[inline(never)]
    fn plain(&mut self) -> Option<&'t str> {
        let rest = self.rest();
        let end = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
        match end {
            Some(end) if rest.as_bytes().get(end).is_some_and(|byte| *byte >= 0x20) => {
                self.at = self.at.saturating_add(end);
                rest.get(..end)
            }
            Some(_) => self.malformed("a control character in a string"),
            None => self.malformed("a string does not end"),
        }
    }

    #[inline(never)]
    fn escape(&mut self) -> Option<char> {
        let byte = self.byte();
        self.at = self.at.saturating_add(1);
        Some(match byte {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let mut code = self.four_digits()?;
                if (0xd800..0xdc00).contains(&code) {
                    self.word("\\u")?;
                    let low = self.four_digits()?;
                    if !(0xdc00..0xe000).contains(&low) {
                        return self.malformed("half of a surrogate pair");
                    }
                    code = 0x10000 + ((code & 0x3ff) << 10) + (low & 0x3ff);
                }
                match char::from_u32(code) {
                    Some(character) => character,
                    None => return self.malformed("half of a surrogate pair"),
                }
            }
            _ => return self.malformed("an unknown escape"),
        })
    }

    fn four_digits(&mut self) -> Option<u32> {
        let digits = self.rest().get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            Some(code) => {
                self.at = self.at.saturating_add(4);
                Some(code)
            }
            None => self.malformed("four hexadecimal digits are missing"),
        }
    }

    fn space(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at = self.at.saturating_add(1);
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or("")
    }
}

/// Deepest nesting, that of the host.
const MAX_DEPTH: usize = 64;

pub(crate) fn push_segment(pointer: &mut String, segment: &str) {
    pointer.push('/');
    for character in segment.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

/// The length of the JSON number at the start of `text`.
fn number_len(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| text.get(from..).unwrap_or(&[]).iter().take_while(|byte| byte.is_ascii_digit()).count();
    let start = usize::from(text.first() == Some(&b'-'));
    let whole = digits(start);
    if whole == 0 || (whole > 1 && text.get(start) == Some(&b'0')) {
        return None;
    }
    let mut end = start.saturating_add(whole);
    if text.get(end) == Some(&b'.') {
        let fraction = digits(end.saturating_add(1));
        if fraction == 0 {
            return None;
        }
        end = end.saturating_add(fraction).saturating_add(1);
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(end.saturating_add(1)), Some(b'+' | b'-')));
        let exponent = digits(end.saturating_add(1).saturating_add(sign));
        if exponent == 0 {
            return None;
        }
        end = end.saturating_add(exponent).saturating_add(sign).saturating_add(1);
    }
    Some(end)
}

/// The index after the array or object that starts at `start`.
fn end_of_container(text: &[u8], start: usize) -> Option<usize> {
    let mut depth = 0usize;
    let mut quoted = false;
    let mut bytes = text.iter().enumerate().skip(start);
    while let Some((at, byte)) = bytes.next() {
        match (quoted, byte) {
            (true, b'\\') => drop(bytes.next()),
            (_, b'"') => quoted = !quoted,
            (false, b'{' | b'[') => depth = depth.saturating_add(1),
            (false, b'}' | b']') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at.checked_add(1);
                }
            }
            _ => {}
        }
    }
    None
}
