//! The report as one HTML file that needs nothing else: no script, no image, no font, no address. A content security policy
//! in it forbids all of them, whatever a module managed to have written here.

use std::fmt::Write as _;

use base64::Engine as _;
use portcullis_gate::Sha256;

use super::page::{Bar, Item, Page, Part, Table, Tone};

const STYLE: &str = include_str!("style.css");

/// The report as a document.
pub fn render(page: &Page) -> String {
    let mut out = String::from("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    // The hash allows this one style sheet; attributes and everything else are forbidden.
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::of(STYLE.as_bytes()).as_bytes());
    _ = writeln!(
        out,
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{hash}'; \
         base-uri 'none'; form-action 'none'\">"
    );
    out.push_str("<meta name=\"referrer\" content=\"no-referrer\">\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    _ = writeln!(out, "<title>{}: {}</title>", text(&page.verdict), text(&page.subject));
    _ = writeln!(out, "<style>{STYLE}</style>\n</head>\n<body>\n<main>");
    let (class, symbol) = match page.tone {
        Tone::Good => ("good", "✔"),
        Tone::Bad => ("bad", "✖"),
        Tone::Look | Tone::Plain => ("look", "~"),
    };
    _ = writeln!(out, "<header class=\"{class}\">");
    _ = writeln!(out, "<h1><span>{symbol}</span> {}</h1>", text(&page.verdict));
    _ = writeln!(out, "<p>{}</p>", text(&page.words));
    _ = writeln!(out, "<p class=\"subject\">{}</p>", text(&page.subject));
    _ = writeln!(out, "<p class=\"digest\">{}</p>\n</header>", text(&page.digest));
    for section in &page.sections {
        _ = writeln!(out, "<section>\n<h2>{}</h2>", text(section.heading));
        if let Some(note) = section.note {
            _ = writeln!(out, "<p class=\"note\">{}</p>", text(note));
        }
        for part in &section.parts {
            match part {
                Part::Items(items) => push_items(&mut out, items),
                Part::Table(table) => push_table(&mut out, table),
                Part::Bars(bars) => push_bars(&mut out, bars),
            }
        }
        out.push_str("</section>\n");
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn push_items(out: &mut String, items: &[Item]) {
    out.push_str("<ul>\n");
    for item in items {
        _ = writeln!(out, "<li{}>{}</li>", class(item.tone, false), text(&item.text));
    }
    out.push_str("</ul>\n");
}

fn push_table(out: &mut String, table: &Table) {
    out.push_str("<div class=\"scroll\"><table>\n<thead><tr>");
    for head in &table.head {
        _ = write!(out, "<th scope=\"col\"{}>{}</th>", class(Tone::Plain, head.figures), text(head.heading));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        out.push_str("<tr>");
        for (cell, head) in row.iter().zip(&table.head) {
            _ = write!(out, "<td{}>{}</td>", class(cell.tone, head.figures), text(&cell.text));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table></div>\n");
}

/// A width as an attribute of SVG needs no style, which the policy forbids.
fn push_bars(out: &mut String, bars: &[Bar]) {
    out.push_str("<table class=\"bars\">\n<tbody>\n");
    for bar in bars {
        let (whole, tenth) = (bar.share / 10, bar.share % 10);
        _ = writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"figure\">{}</td><td class=\"bar\"><svg width=\"100%\" height=\"10\" \
             role=\"img\" aria-label=\"{whole}.{tenth} %\"><rect width=\"{whole}.{tenth}%\" height=\"10\"/></svg></td></tr>",
            text(&bar.label),
            text(&bar.value),
        );
    }
    out.push_str("</tbody>\n</table>\n");
}

fn class(tone: Tone, figures: bool) -> &'static str {
    match (tone, figures) {
        (Tone::Plain, false) => "",
        (Tone::Plain, true) => " class=\"figure\"",
        (Tone::Good, false) => " class=\"good\"",
        (Tone::Good, true) => " class=\"figure good\"",
        (Tone::Bad, false) => " class=\"bad\"",
        (Tone::Bad, true) => " class=\"figure bad\"",
        (Tone::Look, false) => " class=\"look\"",
        (Tone::Look, true) => " class=\"figure look\"",
    }
}

/// Text as HTML, in elements and in quoted attributes.
fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(text(r#"<script a="b" c='d'>&lt;"#), "&lt;script a=&quot;b&quot; c=&#39;d&#39;&gt;&amp;lt;");
    }

    #[test]
    fn the_style_sheet_is_the_one_that_the_policy_allows() {
        let page = Page {
            tone: Tone::Good,
            verdict: String::new(),
            words: String::new(),
            subject: String::new(),
            digest: String::new(),
            sections: Vec::new(),
        };
        let html = render(&page);
        let style = html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::of(style.as_bytes()).as_bytes());
        assert!(html.contains(&format!("style-src 'sha256-{hash}'")), "{html}");
        assert!(!STYLE.contains('<') && !STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}
