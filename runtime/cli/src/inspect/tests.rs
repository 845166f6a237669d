use std::collections::BTreeSet;

use portcullis_gate::text::is_unprintable;

use super::fixtures::{hostile, inspected, policy, rich, shape, usage};
use super::sections::{page, settings_of};
use super::{html, human};

#[test]
fn people_read_everything_that_a_reviewer_asks() {
    let inspected = inspected(&rich(), Some(usage()));
    assert!(inspected.review.report.admissible, "{:?}", inspected.review.report.detail);
    let text = anstream::adapter::strip_str(&human::render(&page(&inspected))).to_string();
    insta::assert_snapshot!(text.replace(&inspected.review.report.module_sha256.to_string(), "(sha256)"));
}

/// Which members there are, and of which type: what other programs rely on.
#[test]
fn the_json_has_a_stable_shape() {
    let mut all = BTreeSet::new();
    shape("", &serde_json::to_value(inspected(&rich(), Some(usage()))).unwrap(), &mut all);
    shape("", &serde_json::to_value(inspected(b"\0asm", None)).unwrap(), &mut all);
    // The schema is the policy's own.
    all.retain(|line| !line.starts_with(".settings_schema."));
    insta::assert_snapshot!(all.into_iter().collect::<Vec<_>>().join("\n"));
}

/// Elements and attributes are ours; whatever a module says is text.
#[test]
fn html_holds_no_markup_of_the_module() {
    let inspected = inspected(&hostile(), Some(usage()));
    assert!(inspected.review.report.admissible, "{:?}", inspected.review.report.detail);
    let html = html::render(&page(&inspected));
    assert!(
        html.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && html.contains("&lt;img src=x onerror="),
        "{html}"
    );
    assert!(!html.chars().any(|c| c != '\n' && is_unprintable(c)), "escaped");
    assert!(html.contains("\\u{202e}") && html.contains("\\u{1b}") && html.contains("\\u{0}"));
    assert!(html.len() < 60_000, "{}", html.len());
    let allowed = [
        "!doctype", "html", "head", "meta", "title", "style", "body", "main", "header", "h1", "h2", "span", "p",
        "section", "ul", "li", "div", "table", "thead", "tbody", "tr", "th", "td", "svg", "rect",
    ];
    for tag in html.split('<').skip(1) {
        let inside = tag.split('>').next().unwrap();
        let name = inside.trim_start_matches('/').split([' ', '/']).next().unwrap();
        assert!(allowed.contains(&name), "<{inside}>");
        assert!(!inside.contains(" on") && !inside.contains("src") || inside.starts_with("meta"), "<{inside}>");
        assert!(!inside.contains("href") && !inside.contains(" style="), "<{inside}>");
    }
    assert_eq!((html.matches("<style>").count(), html.matches("</style>").count()), (1, 1));
}

#[test]
fn people_read_no_escapes_of_the_module() {
    let text = human::render(&page(&inspected(&hostile(), None)));
    let text = anstream::adapter::strip_str(&text).to_string();
    assert!(!text.chars().any(|c| c != '\n' && is_unprintable(c)), "{text}");
    assert!(text.contains("\\u{1b}[2J") && text.contains("\\u{202e}"), "{text}");
}

/// What is refused is not said to be unable to do anything.
#[test]
fn a_refused_module_is_promised_nothing() {
    let mut cut = rich();
    cut.truncate(cut.len() - 40);
    for module in [cut, b"\x7fELF".to_vec()] {
        let inspected = inspected(&module, None);
        let html = html::render(&page(&inspected));
        assert!(
            html.contains("REFUSED") && !html.contains("What it cannot do") && !html.contains("can reach none"),
            "{html}"
        );
        assert_eq!(html.contains("Incomplete"), module.starts_with(b"\0asm"), "{html}");
    }
}

#[test]
fn of_what_is_no_module_nothing_is_said_but_that() {
    for file in [b"\x7fELF".as_slice(), b"portcullis = 1\n", b""] {
        let text = human::render(&page(&inspected(file, None)));
        assert!(text.contains("REFUSED") && text.contains("load.format"), "{text}");
        assert!(!text.contains("fits") && text.lines().count() < 10, "{text}");
    }
}

#[test]
fn what_it_needs_beyond_the_defaults_is_said_as_the_line_to_write() {
    let inspected = inspected(&policy("(table 20000 funcref)"), None);
    let text = human::render(&page(&inspected));
    assert!(text.contains("with table-elements = 20000"), "{text}");
}

#[test]
fn settings_are_listed_by_name() {
    let schema = serde_json::json!({
        "properties": {"roles": {"type": "array", "description": "who may\u{1b}[2J"}, "limit": {"type": ["integer", "null"]}},
        "required": ["roles"]
    });
    assert_eq!(settings_of(&schema), ["limit", "roles (array), required: who may\\u{1b}[2J"]);
    assert_eq!(settings_of(&serde_json::json!({"properties": {}})), ["none"]);
    assert_eq!(settings_of(&serde_json::json!(true)), ["see the schema in --format json"]);
    let many: serde_json::Map<_, _> = (0..300).map(|n| (format!("s{n}"), serde_json::json!({}))).collect();
    let listed = settings_of(&serde_json::json!({ "properties": many }));
    assert_eq!((listed.len(), listed[200].as_str()), (201, "and 100 more; see the schema in --format json"));
}
