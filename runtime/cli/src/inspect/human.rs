use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::page::{Bar, Item, Page, Part, Table, Tone};

const HEADING: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const LOOK: Style = AnsiColor::Yellow.on_default();

/// How wide a full bar is, in characters.
const BAR: u32 = 24;

/// The report for a terminal.
pub fn render(page: &Page) -> String {
    let mut out = String::new();
    let (style, symbol) = match page.tone {
        Tone::Good => (GOOD, '✔'),
        Tone::Bad => (BAD, '✖'),
        Tone::Look | Tone::Plain => (LOOK, '~'),
    };
    _ = writeln!(out, "{style}{symbol} {}{style:#}  {}", page.verdict, page.words);
    _ = writeln!(out, "  {}", page.subject);
    _ = writeln!(out, "  {FAINT}{}{FAINT:#}", page.digest);
    for section in &page.sections {
        _ = writeln!(out, "\n  {HEADING}{}{HEADING:#}", section.heading);
        if let Some(note) = section.note {
            _ = writeln!(out, "    {FAINT}{note}{FAINT:#}");
        }
        for part in &section.parts {
            match part {
                Part::Items(items) => items.iter().for_each(|item| _ = writeln!(out, "    - {}", styled(item))),
                Part::Table(table) => push_table(&mut out, table),
                Part::Bars(bars) => push_bars(&mut out, bars),
            }
        }
    }
    out
}

fn styled(item: &Item) -> String {
    let text = &item.text;
    match item.tone {
        Tone::Plain => text.clone(),
        Tone::Good => format!("{GOOD}{text}{GOOD:#}"),
        Tone::Bad => format!("{BAD}{text}{BAD:#}"),
        Tone::Look => format!("{LOOK}{text}{LOOK:#}"),
    }
}

/// Columns as wide as their widest cell, but for the last, which has no end.
fn push_table(out: &mut String, table: &Table) {
    let width = |column: usize| {
        let cells = table.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count());
        let heading = table.head.get(column).map_or(0, |head| head.heading.chars().count());
        cells.chain([heading]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..table.head.len()).map(width).collect();
    let last = table.head.len().saturating_sub(1);
    let mut line = |cells: Vec<(String, usize)>, style: Style| {
        let mut text = String::from("    ");
        for (n, ((cell, length), (column, width))) in cells.iter().zip(table.head.iter().zip(&widths)).enumerate() {
            let space = " ".repeat(width.saturating_sub(*length));
            match (column.figures, n == last) {
                (true, _) => _ = write!(text, "{space}{cell}"),
                (false, true) => text.push_str(cell),
                (false, false) => _ = write!(text, "{cell}{space}"),
            }
            if n < last {
                text.push_str("  ");
            }
        }
        _ = writeln!(out, "{style}{}{style:#}", text.trim_end());
    };
    let head = table.head.iter().map(|head| (head.heading.to_owned(), head.heading.chars().count()));
    line(head.collect(), FAINT);
    for row in &table.rows {
        line(row.iter().map(|cell| (styled(cell), cell.text.chars().count())).collect(), Style::new());
    }
}

fn push_bars(out: &mut String, bars: &[Bar]) {
    let width = |text: fn(&Bar) -> &String| bars.iter().map(|bar| text(bar).chars().count()).max().unwrap_or(0);
    let (labels, values) = (width(|bar| &bar.label), width(|bar| &bar.value));
    for bar in bars {
        let full = u32::from(bar.share).saturating_mul(BAR).saturating_add(500) / 1000;
        let drawn: String = (0..BAR).map(|n| if n < full { '█' } else { '·' }).collect();
        _ = writeln!(out, "    {:<labels$}  {:>values$}  {FAINT}{drawn}{FAINT:#}", bar.label, bar.value);
    }
}
