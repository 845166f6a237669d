//! Masks: fields of a request that neither a policy nor a record ever sees.
//!
//! What is masked is replaced before the request is decided, so that what is decided, hashed, recorded and replayed is
//! the same text. In its place stands a token that the host computes with a key: equal values have equal tokens, and
//! without the key a token says nothing about its value.
//!
//! Which fields are masked is said by the policy set, or fixed by a door by the fields' names. The payload has no say: a
//! mark in it that hides a value from the record would hide it from the policies too.

use std::borrow::Cow;

use crate::document::{Document, write_string};
use crate::pointer;

/// Most masks of a set.
pub const MAX_MASKS: usize = 256;

/// Which fields are masked: a JSON pointer in which the segment `*` stands for any one segment and `**` for any number of
/// them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mask {
    text: Box<str>,
    segments: Box<[Segment]>,
    /// Only strings: what else stands there is no secret, and policies go by it.
    strings: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Segment {
    Named(Box<str>),
    OneOf(Box<[Box<str>]>),
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
        Ok(Mask { text: text.into(), segments, strings: false })
    }

    /// The mask of every string that has one of these names, in whatever case, at any depth below `root`, or that is the member `inner` of what
    /// has one.
    ///
    /// # Errors
    /// `root` is no JSON pointer.
    pub fn of_names(root: &str, names: &[&str], inner: Option<&str>) -> Result<Mask, &'static str> {
        pointer::check(root)?;
        let above = pointer::segments(root).map(|segment| Segment::Named(segment.as_ref().into()));
        let names = Segment::OneOf(names.iter().map(|name| (*name).into()).collect());
        let below = inner.map(|inner| if inner == "*" { Segment::Any } else { Segment::Named(inner.into()) });
        let segments = above.chain([Segment::AnyDepth, names]).chain(below).collect();
        Ok(Mask { text: format!("{root}/**/(a secret's name)").into(), segments, strings: true })
    }

    /// The mask of every string directly below `root`.
    ///
    /// # Errors
    /// `root` is no JSON pointer.
    pub fn of_members(root: &str) -> Result<Mask, &'static str> {
        Ok(Mask { strings: true, ..Mask::new(&format!("{root}/*"))? })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The text of a document with what the masks name replaced by `token(value)`, where `value` is the field's compact JSON
/// text; `None` where no mask matches.
#[must_use]
pub fn masked(document: &Document, masks: &[Mask], token: &mut dyn FnMut(&str) -> String) -> Option<String> {
    let all: Vec<State<'_>> = masks.iter().map(|mask| (&*mask.segments, mask.strings)).collect();
    let mut masking = Masking { document, token, replaced: false };
    let mut out = String::with_capacity(document.text().len());
    masking.write(ROOT, &all, &mut out);
    masking.replaced.then_some(out)
}

/// What is left of a mask, and whether it is of strings only.
type State<'m> = (&'m [Segment], bool);

/// The whole document.
const ROOT: u32 = 0;

struct Masking<'d> {
    document: &'d Document,
    token: &'d mut dyn FnMut(&str) -> String,
    replaced: bool,
}

impl Masking<'_> {
    /// Writes a value, with what is left of the masks above it. Recursion is as deep as the document, which is bounded.
    fn write(&mut self, value: u32, masks: &[State<'_>], out: &mut String) {
        let document = self.document;
        let Some((open, close)) = document.brackets(value).filter(|_| !masks.is_empty()) else {
            document.write(value, out);
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
            let replace = match ends {
                Some(true) => document.string(member).is_some(),
                Some(false) => true,
                None => false,
            };
            if replace { self.replace(member, out) } else { self.write(member, &below, out) }
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

/// A member's name in a pointer: its key, or its place in an array.
fn name(key: Option<&str>, place: usize) -> Cow<'_, str> {
    key.map_or_else(|| place.to_string().into(), Cow::Borrowed)
}

/// What is left of the masks one segment further down; and where one of them ends there, whether it is of strings only.
fn step<'m>(masks: &[State<'m>], name: &str) -> (Vec<State<'m>>, Option<bool>) {
    let mut next = Vec::new();
    let mut ends: Option<bool> = None;
    let mut open: Vec<State<'m>> = masks.to_vec();
    while let Some((mask, strings)) = open.pop() {
        let Some((first, rest)) = mask.split_first() else { continue };
        let matches = match first {
            Segment::AnyDepth => {
                // No segment, or this one and perhaps more.
                open.push((rest, strings));
                keep(&mut next, (mask, strings));
                continue;
            }
            Segment::Named(wanted) => **wanted == *name,
            Segment::OneOf(wanted) => wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)),
            Segment::Any => true,
        };
        match rest {
            _ if !matches => {}
            // A mask of everything is stricter than one of strings.
            [] => ends = Some(ends.unwrap_or(true) && strings),
            _ => keep(&mut next, (rest, strings)),
        }
    }
    (next, ends)
}

/// Keeps each state once: several `**` in one mask would otherwise multiply with the depth.
fn keep<'m>(states: &mut Vec<State<'m>>, state: State<'m>) {
    if !states.contains(&state) {
        states.push(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(masks: &[&str], text: &str) -> Option<String> {
        apply_all(&masks.iter().map(|mask| Mask::new(mask).unwrap()).collect::<Vec<_>>(), text)
    }

    fn apply_all(masks: &[Mask], text: &str) -> Option<String> {
        let document = Document::parse(text.as_bytes()).unwrap();
        masked(&document, masks, &mut |value| format!("<{value}>"))
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
            assert_eq!(apply(&[mask], text).as_deref(), Some(expected), "{mask}");
        }
        for mask in ["/a/z", "/b", "/a/b/c", "/p/p"] {
            assert_eq!(apply(&[mask], text), None, "{mask}");
        }
        assert_eq!(apply(&[], text), None);
    }

    #[test]
    fn masks_of_names_are_of_strings_only() {
        let text = r#"{"x":{"password":"p","a":[{"token":"t","secret":true,"password":{"password":"q"}}],"name":"n"},"password":"r"}"#;
        let names = Mask::of_names("/x", &["password", "token", "secret"], None).unwrap();
        assert_eq!(
            apply_all(&[names], text).unwrap(),
            r#"{"x":{"password":"<\"p\">","a":[{"token":"<\"t\">","secret":true,"password":{"password":"<\"q\">"}}],"name":"n"},"password":"r"}"#
        );
        let inner = Mask::of_names("/x", &["password"], Some("value")).unwrap();
        let anywhere = Mask::of_names("", &["password"], None).unwrap();
        assert_eq!(
            apply_all(&[anywhere], r#"{"PassWord":"p","x":[{"password":"q","passwords":"r"}]}"#).unwrap(),
            r#"{"PassWord":"<\"p\">","x":[{"password":"<\"q\">","passwords":"r"}]}"#
        );
        let text = r#"{"x":{"password":{"value":"p","other":"o"},"value":"v"}}"#;
        assert_eq!(
            apply_all(&[inner], text).unwrap(),
            r#"{"x":{"password":{"value":"<\"p\">","other":"o"},"value":"v"}}"#
        );
        let members = Mask::of_members("/x").unwrap();
        assert_eq!(
            apply_all(std::slice::from_ref(&members), r#"{"x":{"a":"s","b":1,"c":["s"]}}"#).unwrap(),
            r#"{"x":{"a":"<\"s\">","b":1,"c":["s"]}}"#
        );
        // One of everything at the same place goes before one of strings.
        let all = Mask::new("/x/b").unwrap();
        assert_eq!(apply_all(&[members, all], r#"{"x":{"b":1}}"#).unwrap(), r#"{"x":{"b":"<1>"}}"#);
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
        assert!(apply(&[&mask], &deep).is_some());
    }

    proptest::proptest! {
        /// Nothing of a masked value is left, whatever surrounds it.
        #[test]
        fn no_secret_survives(noise in proptest::collection::vec("[a-z]{1,8}", 0..6), deep in 0usize..8) {
            let mut value = serde_json::json!({ "password": "s3cr3t-value", "noise": noise });
            for _ in 0..deep {
                value = serde_json::json!([{ "inner": value, "password": ["s3cr3t-value"] }]);
            }
            let document = Document::parse(value.to_string().as_bytes()).unwrap();
            let secret = [Mask::new("/**/password").unwrap()];
            let out = masked(&document, &secret, &mut |_| "masked".into()).expect("matches");
            proptest::prop_assert!(!out.contains("s3cr3t"), "{}", out);
            proptest::prop_assert!(Document::parse(out.as_bytes()).is_ok());
        }
    }
}
