//! What is wrong with a manifest or a lock, and where: enough to show the line.

use std::fmt::{self, Write as _};
use std::ops::Range;
use std::sync::Arc;

/// Everything that was found wrong with one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceError {
    /// What the caller calls the file.
    pub file: String,
    /// Its text, or as much of it as could be read as text.
    pub text: Arc<str>,
    /// At least one.
    pub marks: Vec<Mark>,
}

/// One problem, or one warning, with its place in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: String,
    /// The bytes of the text that it is about.
    pub span: Range<usize>,
}

impl Mark {
    /// Line and column, from 1; columns count characters.
    #[must_use]
    pub fn line_column(&self, text: &str) -> (usize, usize) {
        let before = before(text, self.span.start);
        let line = before.matches('\n').count().saturating_add(1);
        let column = before.rsplit('\n').next().map_or(0, |start| start.chars().count()).saturating_add(1);
        (line, column)
    }

    /// The problem with its line, for a terminal without colours. Control characters of the text are replaced.
    pub fn render(&self, file: &str, text: &str, out: &mut dyn fmt::Write) -> fmt::Result {
        let (line, column) = self.line_column(text);
        let content = text.lines().nth(line.saturating_sub(1)).unwrap_or("");
        // Long lines: a window that starts a little before the place.
        let skipped = column.saturating_sub(1).saturating_sub(WINDOW / 2);
        let shown: String = content.chars().skip(skipped).take(WINDOW).map(plain).collect();
        let marked = text.get(self.span.clone()).and_then(|marked| marked.lines().next()).unwrap_or("");
        let offset = column.saturating_sub(1).saturating_sub(skipped);
        let length = marked.chars().count().clamp(1, WINDOW.saturating_sub(offset).max(1));
        let gutter = " ".repeat(line.to_string().len());
        writeln!(out, "{}", self.message)?;
        writeln!(out, "{gutter}--> {file}:{line}:{column}")?;
        writeln!(out, "{gutter} |")?;
        writeln!(out, "{line} | {shown}")?;
        writeln!(out, "{gutter} | {}{}", " ".repeat(offset), "^".repeat(length))?;
        writeln!(out, "{gutter} = help: {}", self.help)
    }
}

impl SourceError {
    pub(super) fn one(file: &str, text: &str, mark: Mark) -> SourceError {
        SourceError { file: file.into(), text: text.into(), marks: vec![mark] }
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, mark) in self.marks.iter().take(MAX_SHOWN).enumerate() {
            if n > 0 {
                f.write_char('\n')?;
            }
            mark.render(&self.file, &self.text, f)?;
        }
        match self.marks.len().checked_sub(MAX_SHOWN) {
            None | Some(0) => Ok(()),
            Some(more) => writeln!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for SourceError {}

fn before(text: &str, end: usize) -> &str {
    let end = (0..=end.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or("")
}

/// A character as it may go to a terminal: tabs as a space, so that columns stay; no control and no bidirectional
/// formatting characters.
fn plain(c: char) -> char {
    match c {
        '\t' => ' ',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// Most problems shown of one file.
const MAX_SHOWN: usize = 20;
/// Most characters shown of one line.
const WINDOW: usize = 120;
