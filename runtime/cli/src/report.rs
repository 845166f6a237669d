//! What went wrong, on standard error.

use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use anyhow::Context as _;
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Severity};
use portcullis::SetError;
use portcullis_gate::{Mark, SourceError};

use crate::exit::Exit;
use crate::text::{is_unprintable, shown};

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
        marks(&source.file, &source.text, &source.marks, Severity::Error);
        return Exit::Error;
    }
    let causes: Vec<String> = error.chain().map(|cause| lines(&cause.to_string())).collect();
    write(&format!("{ERROR}error:{ERROR:#} {}\n", causes.join("\n  because: ")));
    Exit::Error
}

/// What is wrong with a manifest or a lock, where that is the error.
fn source_error(error: &anyhow::Error) -> Option<&SourceError> {
    if let Some(SetError::Source(source)) = error.downcast_ref::<SetError>() {
        return Some(source);
    }
    error.chain().find_map(|cause| cause.downcast_ref::<SourceError>())
}

/// Prints what was asked for, on standard output; colours only where it is a terminal.
///
/// # Errors
/// Standard output cannot be written.
pub fn out(text: &str) -> anyhow::Result<()> {
    anstream::stdout().lock().write_all(text.as_bytes()).context("cannot write to standard output")
}

/// Prints a warning.
pub fn warning(message: &str) {
    write(&format!("{WARNING}warning:{WARNING:#} {}\n", lines(message)));
}

/// An error that counts as wrong usage.
pub fn usage(message: impl std::fmt::Display) -> anyhow::Error {
    use clap::CommandFactory as _;

    let kind = clap::error::ErrorKind::ValueValidation;
    crate::args::Arguments::command().error(kind, message).into()
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

    proptest::proptest! {
        #[test]
        fn printable_text_keeps_every_place(text: String) {
            let printable = printable(&text);
            proptest::prop_assert_eq!(printable.len(), text.len());
            proptest::prop_assert!(!printable.chars().any(|c| is_unprintable(c) && !matches!(c, '\n' | '\t')));
        }
    }
}
