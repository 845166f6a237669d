//! What went wrong, on standard error.

use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use anyhow::Context as _;
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Severity};
use portcullis::{LOCK_FILE, SetError};
use portcullis_gate::{Mark, SourceError};

use crate::exit::Exit;
use crate::text::{counted, is_unprintable, shown};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// Prints an error with its causes. Errors in a manifest or a lock show the line and say how to mend it; wrong usage
/// says so as every other wrong usage does.
pub fn error(error: &anyhow::Error) -> Exit {
    if let Some(usage) = error.downcast_ref::<clap::Error>() {
        _ = usage.print();
        return Exit::Usage;
    }
    if let Some(source) = source_error(error) {
        if source.file.ends_with(LOCK_FILE) {
            write(&format!("{ERROR}error:{ERROR:#} {}\n", broken_lock(source)));
            return Exit::Error;
        }
        marks(&source.file, &source.text, &source.marks, Severity::Error);
        return Exit::Error;
    }
    write(&format!("{ERROR}error:{ERROR:#} {}\n", causes(error).join("\n  because: ")));
    Exit::Error
}

/// An error and its causes, but for those that the one before ends with.
fn causes(error: &anyhow::Error) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    for cause in error.chain().map(|cause| lines(&cause.to_string())) {
        if !causes.last().is_some_and(|before| before.ends_with(&cause)) {
            causes.push(cause);
        }
    }
    causes
}

/// Nobody mends a lock line by line: it is written again.
fn broken_lock(source: &SourceError) -> String {
    let problems = counted(source.marks.len(), "problem", "problems");
    let first = source.marks.first().map(|mark| format!(": {}", lines(&mark.message))).unwrap_or_default();
    format!(
        "{}: the lock is broken ({problems}){first}; put back the one that was committed, or write it again with \
         `portcullis lock` and review its difference",
        shown(&source.file)
    )
}

/// What is wrong with a manifest or a lock, where that is the error.
fn source_error(error: &anyhow::Error) -> Option<&SourceError> {
    if let Some(SetError::Source(source)) = error.downcast_ref::<SetError>() {
        return Some(source);
    }
    error.chain().find_map(|cause| cause.downcast_ref::<SourceError>())
}

/// Prints what was asked for, on standard output; colours only where it is a terminal. Silent where the reader left early.
///
/// # Errors
/// Standard output cannot be written.
pub fn out(text: &str) -> anyhow::Result<()> {
    match anstream::stdout().lock().write_all(text.as_bytes()) {
        // Whoever reads has read enough, as in `.. | head`.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

/// Prints what is worth knowing and wrong with nothing.
pub fn note(message: &str) {
    write(&format!("note: {}\n", lines(message)));
}

/// Prints a warning.
pub fn warning(message: &str) {
    write(&format!("{WARNING}warning:{WARNING:#} {}\n", lines(message)));
}

/// An error that counts as wrong usage.
pub fn usage(message: impl std::fmt::Display) -> anyhow::Error {
    use clap::CommandFactory as _;

    let kind = clap::error::ErrorKind::ValueValidation;
    let mut command = crate::args::Arguments::command();
    command.build();
    // The usage that is shown is that of the subcommand.
    for word in std::env::args().skip(1) {
        match command.find_subcommand(&word) {
            Some(named) => command = named.clone(),
            None => break,
        }
    }
    command.error(kind, message).into()
}

/// Prints what was found in a file, each with its line and how to mend it.
pub fn marks(file: &str, text: &str, marks: &[Mark], severity: Severity) {
    let color = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    write(&rendered(file, text, marks, severity, color));
}

/// Most problems shown of one file.
const MAX_MARKS: usize = 20;

fn rendered(file: &str, text: &str, marks: &[Mark], severity: Severity, color: bool) -> String {
    let theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_links(false).with_width(110);
    let source = NamedSource::new(shown(file), printable(text)).with_language("toml");
    let mut out = String::new();
    for mark in marks.iter().take(MAX_MARKS) {
        let diagnostic = MietteDiagnostic::new(lines(&mark.message))
            .with_severity(severity)
            .with_help(lines(&mark.help))
            .with_label(LabeledSpan::underline(mark.span.clone()));
        let report = miette::Report::new(diagnostic).with_source_code(source.clone());
        if handler.render_report(&mut out, report.as_ref()).is_err() {
            _ = mark.render(&shown(file), text, &mut out);
        }
    }
    if let Some(more @ 1..) = marks.len().checked_sub(MAX_MARKS) {
        out.push_str(&format!("and {more} more\n"));
    }
    out
}

fn lines(text: &str) -> String {
    text.lines().map(shown).collect::<Vec<_>>().join("\n")
}

/// `text` with unprintable characters replaced by as many bytes, so that spans still fit.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match (is_unprintable(c) && !matches!(c, '\n' | '\t'), c.len_utf8()) {
            (false, _) => out.push(c),
            (true, 1) => out.push('?'),
            (true, 2) => out.push_str("??"),
            (true, 3) => out.push('\u{fffd}'),
            (true, _) => out.push_str("\u{fffd}?"),
        }
    }
    out
}

fn write(text: &str) {
    // There is nowhere left to say that standard error is closed.
    _ = anstream::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_its_line_and_how_to_mend_it() {
        let text = "portcullis = 1\nname = \"a\u{1b}[2J\u{202e}b\"\nmodul = \"x\"\n";
        let start = text.find("modul").unwrap();
        let mark =
            Mark { message: "unknown key `modul`".into(), help: "write `module`".into(), span: start..start + 5 };
        insta::assert_snapshot!(rendered("portcullis.toml", text, &[mark], Severity::Error, false));
    }

    #[test]
    fn a_cause_is_told_once() {
        let not_found = || std::io::Error::other("No such file");
        let error =
            anyhow::Error::new(not_found()).context("a.json: cannot be read: No such file").context("--request");
        assert_eq!(causes(&error), ["--request", "a.json: cannot be read: No such file"]);
        let error = anyhow::Error::new(not_found()).context("cannot read a.json");
        assert_eq!(causes(&error), ["cannot read a.json", "No such file"]);
    }

    proptest::proptest! {
        #[test]
        fn printable_text_keeps_every_place(text: String) {
            let printable = printable(&text);
            proptest::prop_assert_eq!(printable.len(), text.len());
            proptest::prop_assert!(!printable.chars().any(|c| is_unprintable(c) && !matches!(c, '\n' | '\t')));
        }
    }
}
