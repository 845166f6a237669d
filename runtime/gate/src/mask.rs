//! Masks: fields of a request that neither a policy nor a record ever sees.
//!
//! What is masked is replaced before the request is decided, so that what is decided, hashed, recorded and replayed is
//! the same text. In its place stands a token that the host computes with a key: equal values have equal tokens, and
//! without the key a token says nothing about its value.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::document::{Document, write_string};
use crate::pointer;

/// Most masks of a set.
pub const MAX_MASKS: usize = 256;

/// A string of a sensitive field is masked wherever else it stands, if it has at least this many bytes: shorter ones
/// (`true`, `eu`) stand everywhere.
const MIN_REPEATED_BYTES: usize = 6;

/// Which fields are masked: a JSON pointer in which the segment `*` stands for any one segment and `**` for any number of
/// them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mask {
    text: Box<str>,
    segments: Box<[Segment]>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Segment {
    Named(Box<str>),
    Any,
    AnyDepth,
}

impl Mask {
    /// Checks and splits a mask.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn new(text: &str) -> Result<Mask, &'static str> {
        pointer::check(text)?;
        let segments: Box<[Segment]> = pointer::segments(text)
            .map(|segment| match segment.as_ref() {
                "*" => Segment::Any,
                "**" => Segment::AnyDepth,
                name => Segment::Named(name.into()),
            })
            .collect();
        if matches!(segments.last(), None | Some(Segment::AnyDepth)) {
            return Err("would mask the whole request: name the field at its end");
        }
        Ok(Mask { text: text.into(), segments })
    }

    /// The mask of exactly one field.
    #[must_use]
    pub fn of_field(pointer: &crate::Pointer) -> Mask {
        let segments = pointer.segments().iter().map(|name| Segment::Named(name.clone())).collect();
        Mask { text: pointer.as_str().into(), segments }
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The text of a document with what the masks name replaced by `token(value)`, where `value` is the field's compact JSON
/// text; `None` where no mask matches. Strings of `secret` fields are replaced wherever else they stand.
#[must_use]
pub fn masked(
    document: &Document,
    masks: &[Mask],
    secret: &[Mask],
    token: &mut dyn FnMut(&str) -> String,
) -> Option<String> {
    let all: Vec<&[Segment]> = masks.iter().chain(secret).map(|mask| &*mask.segments).collect();
    let secrets: Vec<&[Segment]> = secret.iter().map(|mask| &*mask.segments).collect();
    let mut repeated = HashSet::new();
    find(document, ROOT, &secrets, &mut |value| strings(document, value, &mut repeated));
    let mut masking = Masking { document, repeated, token, replaced: false };
    let mut out = String::with_capacity(document.text().len());
    masking.write(ROOT, &all, &mut out);
    masking.replaced.then_some(out)
}

/// The whole document.
const ROOT: u32 = 0;

struct Masking<'d> {
    document: &'d Document,
    /// Strings that are masked wherever they stand.
    repeated: HashSet<&'d str>,
    token: &'d mut dyn FnMut(&str) -> String,
    replaced: bool,
}

impl Masking<'_> {
    /// Writes a value, with what is left of the masks above it. Recursion is as deep as the document, which is bounded.
    fn write(&mut self, value: u32, masks: &[&[Segment]], out: &mut String) {
        let document = self.document;
        let Some((open, close)) = document.brackets(value) else {
            match document.string(value) {
                Some(text) if self.repeated.contains(text) => self.replace(value, out),
                _ => document.write(value, out),
            }
            return;
        };
        out.push(open);
        for (place, (key, member)) in document.members(value).enumerate() {
            if place > 0 {
                out.push(',');
            }
            if let Some(key) = key {
                write_string(key, out);
                out.push(':');
            }
            let (below, ends) = step(masks, &name(key, place));
            if ends { self.replace(member, out) } else { self.write(member, &below, out) }
        }
        out.push(close);
    }

    fn replace(&mut self, value: u32, out: &mut String) {
        let mut text = String::new();
        self.document.write(value, &mut text);
        write_string(&(self.token)(&text), out);
        self.replaced = true;
    }
}

/// Calls `found` for each value that one of the masks names.
fn find(document: &Document, value: u32, masks: &[&[Segment]], found: &mut dyn FnMut(u32)) {
    if masks.is_empty() {
        return;
    }
    for (place, (key, member)) in document.members(value).enumerate() {
        let (below, ends) = step(masks, &name(key, place));
        if ends { found(member) } else { find(document, member, &below, found) }
    }
}

/// Collects the strings in a value that are long enough to be told from others.
fn strings<'d>(document: &'d Document, value: u32, out: &mut HashSet<&'d str>) {
    out.extend(document.string(value).filter(|text| text.len() >= MIN_REPEATED_BYTES));
    for (_, member) in document.members(value) {
        strings(document, member, out);
    }
}

/// A member's name in a pointer: its key, or its place in an array.
fn name(key: Option<&str>, place: usize) -> Cow<'_, str> {
    key.map_or_else(|| place.to_string().into(), Cow::Borrowed)
}

/// What is left of the masks one segment further down, and whether one of them ends there.
fn step<'m>(masks: &[&'m [Segment]], name: &str) -> (Vec<&'m [Segment]>, bool) {
    let mut next = Vec::new();
    let mut ends = false;
    let mut open: Vec<&'m [Segment]> = masks.to_vec();
    while let Some(mask) = open.pop() {
        let Some((first, rest)) = mask.split_first() else { continue };
        match first {
            Segment::AnyDepth => {
                // No segment, or this one and perhaps more.
                open.push(rest);
                keep(&mut next, mask);
            }
            Segment::Named(wanted) if **wanted != *name => {}
            Segment::Named(_) | Segment::Any => match rest {
                [] => ends = true,
                _ => keep(&mut next, rest),
            },
        }
    }
    (next, ends)
}

/// Keeps each state once: several `**` in one mask would otherwise multiply with the depth.
fn keep<'m>(states: &mut Vec<&'m [Segment]>, state: &'m [Segment]) {
    if !states.contains(&state) {
        states.push(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(masks: &[&str], secret: &[&str], text: &str) -> Option<String> {
        let all = |masks: &[&str]| masks.iter().map(|mask| Mask::new(mask).unwrap()).collect::<Vec<_>>();
        let document = Document::parse(text.as_bytes()).unwrap();
        masked(&document, &all(masks), &all(secret), &mut |value| format!("<{value}>"))
    }

    #[test]
    fn names_stars_and_any_depth() {
        let text = r#"{"a":{"b":1,"c":[{"p":"x"},{"p":2,"q":{"p":null}}]},"p":"y"}"#;
        for (mask, expected) in [
            ("/a/b", r#"{"a":{"b":"<1>","c":[{"p":"x"},{"p":2,"q":{"p":null}}]},"p":"y"}"#),
            ("/a/*/1/p", r#"{"a":{"b":1,"c":[{"p":"x"},{"p":"<2>","q":{"p":null}}]},"p":"y"}"#),
            ("/a/c/*/p", r#"{"a":{"b":1,"c":[{"p":"<\"x\">"},{"p":"<2>","q":{"p":null}}]},"p":"y"}"#),
            ("/**/p", r#"{"a":{"b":1,"c":[{"p":"<\"x\">"},{"p":"<2>","q":{"p":"<null>"}}]},"p":"<\"y\">"}"#),
            ("/a/**/q", r#"{"a":{"b":1,"c":[{"p":"x"},{"p":2,"q":"<{\"p\":null}>"}]},"p":"y"}"#),
        ] {
            assert_eq!(apply(&[mask], &[], text).as_deref(), Some(expected), "{mask}");
        }
        for mask in ["/a/z", "/b", "/a/b/c", "/p/p"] {
            assert_eq!(apply(&[mask], &[], text), None, "{mask}");
        }
        assert_eq!(apply(&[], &[], text), None);
    }

    #[test]
    fn a_secret_is_masked_wherever_it_stands_again() {
        let text = r#"{"db":{"password":"hunter22","user":"app"},"config":[{"value":"hunter22"},"app","hunter2"]}"#;
        let expected = r#"{"db":{"password":"<\"hunter22\">","user":"app"},"config":[{"value":"<\"hunter22\">"},"app","hunter2"]}"#;
        assert_eq!(apply(&[], &["/db/password"], text).as_deref(), Some(expected));
        // Short ones stand everywhere and mean nothing.
        assert_eq!(apply(&[], &["/a"], r#"{"a":"on","b":"on"}"#).as_deref(), Some(r#"{"a":"<\"on\">","b":"on"}"#));
    }

    #[test]
    fn refuses_what_would_mask_everything() {
        for mask in ["", "/**", "/context/**"] {
            assert!(Mask::new(mask).is_err_and(|problem| problem.contains("whole")), "{mask}");
        }
        assert!(Mask::new("a").is_err());
        assert!(Mask::new("/a~2").is_err());
    }

    #[test]
    fn many_stars_do_not_multiply() {
        let deep = format!("{}1{}", "[".repeat(60), "]".repeat(60));
        let mask = "/**".repeat(30) + "/0";
        assert!(apply(&[&mask], &[], &deep).is_some());
    }

    proptest::proptest! {
        /// Nothing of a masked value is left, whatever surrounds it.
        #[test]
        fn no_secret_survives(noise in proptest::collection::vec("[a-z]{1,8}", 0..6), deep in 0usize..8) {
            let mut value = serde_json::json!({ "password": "s3cr3t-value", "noise": noise });
            for _ in 0..deep {
                value = serde_json::json!([{ "inner": value, "again": "s3cr3t-value" }]);
            }
            let document = Document::parse(value.to_string().as_bytes()).unwrap();
            let secret = [Mask::new("/**/password").unwrap()];
            let out = masked(&document, &[], &secret, &mut |_| "masked".into()).expect("matches");
            proptest::prop_assert!(!out.contains("s3cr3t"), "{}", out);
            proptest::prop_assert!(Document::parse(out.as_bytes()).is_ok());
        }
    }
}
