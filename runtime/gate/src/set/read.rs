//! Reading TOML with places: what a key holds, or a problem that says what it should.

use std::ops::Range;

use jiff::Timestamp;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::MAX_MANIFEST_BYTES;
use super::source::{Mark, SourceError};

/// A TOML value with its place.
pub(super) type Item<'t> = Spanned<DeValue<'t>>;

/// Collects problems.
#[derive(Default)]
pub(super) struct Reader {
    pub marks: Vec<Mark>,
    /// The keys of the root table, which TOML takes for those of the table before them.
    pub top_keys: &'static [&'static str],
}

/// A table, where it is, and what messages call it.
#[derive(Clone)]
pub(super) struct Table<'t> {
    pub entries: &'t DeTable<'t>,
    pub span: Range<usize>,
    pub what: &'static str,
}

/// The text of a file that may be a manifest or a lock.
pub(super) fn text<'b>(file: &str, bytes: &'b [u8]) -> Result<&'b str, SourceError> {
    let refuse = |text: &str, message: String, help: &str| {
        let span = text.len()..text.len();
        Err(SourceError::one(file, text, Mark { message, help: help.into(), span }))
    };
    if bytes.len() > MAX_MANIFEST_BYTES {
        let message = format!("the file has {} bytes, more than {MAX_MANIFEST_BYTES}", bytes.len());
        return refuse("", message, "split the set, or put large settings into files of their own");
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok());
            refuse(valid.unwrap_or(""), "the file is not UTF-8 from here on".into(), "save it as UTF-8")
        }
    }
}

/// The root table of a text; every syntax error otherwise.
pub(super) fn root<'t>(file: &str, text: &'t str) -> Result<Spanned<DeTable<'t>>, SourceError> {
    let (root, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(root);
    }
    let mark = |error: &toml::de::Error| Mark {
        message: format!("not TOML: {}", error.message()),
        help: if error.message().contains("duplicate") {
            "a key or table stands once; write [[policy]] and [[waiver]] with two brackets, for each one".into()
        } else {
            "strings stand in quotes, a key that is not a plain word too; see https://toml.io".into()
        },
        span: error.span().unwrap_or(text.len()..text.len()),
    };
    Err(SourceError { file: file.into(), text: text.into(), marks: errors.iter().map(mark).collect() })
}

impl Reader {
    pub fn report(&mut self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.marks.push(Mark { message: message.into(), help: help.into(), span });
    }

    /// Reports every key that is not among the known ones.
    pub fn keys(&mut self, table: &Table<'_>, known: &[&str]) {
        for key in table.entries.keys() {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let help = match nearest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if self.top_keys.contains(&name) => {
                        format!("`{name}` stands at the top of the file, before the first table in brackets")
                    }
                    None => format!("{} has the keys {}", table.what, known.join(", ")),
                };
                self.report(key.span(), format!("unknown key `{name}` in {}", table.what), help);
            }
        }
    }

    /// Reports that a key is missing.
    pub fn missing(&mut self, table: &Table<'_>, key: &str, help: &str) {
        self.report(table.span.clone(), format!("{} has no `{key}`", table.what), help);
    }

    pub fn string<'t>(&mut self, table: &Table<'t>, key: &str, help: &str) -> Option<&'t str> {
        self.string_of(table.entries.get(key)?, &format!("`{key}`"), help)
    }

    pub fn required_string<'t>(&mut self, table: &Table<'t>, key: &str, help: &str) -> Option<&'t str> {
        if !table.entries.contains_key(key) {
            self.missing(table, key, help);
        }
        self.string(table, key, help)
    }

    pub fn string_of<'t>(&mut self, item: &'t Item<'t>, what: &str, help: &str) -> Option<&'t str> {
        match item.get_ref() {
            DeValue::String(text) => Some(text),
            other => {
                self.report(item.span(), format!("{what} is {}, not a string", kind(other)), help);
                None
            }
        }
    }

    /// An integer of 0 or more.
    pub fn unsigned(&mut self, item: &Item<'_>, what: &str, help: &str) -> Option<u64> {
        match item.get_ref() {
            DeValue::Integer(integer) => {
                let value = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
                if value.is_none() {
                    self.report(item.span(), format!("{what} is {integer}, which is out of range"), help);
                }
                value
            }
            other => {
                self.report(item.span(), format!("{what} is {}, not an integer", kind(other)), help);
                None
            }
        }
    }

    pub fn table<'t>(&mut self, item: &'t Item<'t>, what: &'static str, help: &str) -> Option<Table<'t>> {
        match item.get_ref() {
            DeValue::Table(entries) => Some(Table { entries, span: item.span(), what }),
            other => {
                self.report(item.span(), format!("{what} is {}, not a table", kind(other)), help);
                None
            }
        }
    }

    pub fn array<'t>(&mut self, item: &'t Item<'t>, what: &str, help: &str) -> Option<&'t [Item<'t>]> {
        match item.get_ref() {
            DeValue::Array(items) => Some(items),
            other => {
                self.report(item.span(), format!("{what} is {}, not a list", kind(other)), help);
                None
            }
        }
    }

    /// A date and time with its offset from UTC.
    pub fn time(&mut self, item: &Item<'_>, what: &str, help: &str) -> Option<Timestamp> {
        let DeValue::Datetime(time) = item.get_ref() else {
            self.report(item.span(), format!("{what} is {}, not a date and time", kind(item.get_ref())), help);
            return None;
        };
        let parsed = time.to_string().parse().ok();
        if parsed.is_none() {
            self.report(item.span(), format!("{what} is no point in time: {time}"), help);
        }
        parsed
    }
}

/// What messages call a value's type.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The known word that a misspelt one is closest to, if any is close.
pub(super) fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let allowed = word.chars().count().div_ceil(3);
    let distance = |candidate: &'k str| (strsim::damerau_levenshtein(word, candidate), candidate);
    // Only short words are worth the quadratic comparison.
    let near = known.filter(|_| word.len() <= 128).map(distance).min_by_key(|(distance, _)| *distance)?;
    (near.0 <= allowed).then_some(near.1)
}
