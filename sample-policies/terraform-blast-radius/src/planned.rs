//! A planned value together with what of it is known only after apply, walked side by side.
//!
//! `inline(never)` here and elsewhere keeps the module small: these functions are called from a hundred places.

use portcullis_policy::prelude::*;

/// A place in a planned resource. The default is an absent one.
#[derive(Clone, Copy, Default)]
pub struct Planned<'p> {
    after: Option<&'p Json>,
    unknown: Option<&'p Json>,
}

/// An answer that may be known only after apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    No,
    Unknown,
    Yes,
}

impl Answered {
    /// Yes if any is yes; no if all are.
    pub fn any(answers: impl IntoIterator<Item = Answered>) -> Answered {
        answers.into_iter().fold(Answered::No, |all, one| match (all, one) {
            (Answered::Yes, _) | (_, Answered::Yes) => Answered::Yes,
            (Answered::Unknown, _) | (_, Answered::Unknown) => Answered::Unknown,
            (Answered::No, Answered::No) => Answered::No,
        })
    }

    /// Yes if both are; no if one is.
    pub fn and(self, other: Answered) -> Answered {
        match (self, other) {
            (Answered::No, _) | (_, Answered::No) => Answered::No,
            (Answered::Yes, Answered::Yes) => Answered::Yes,
            (Answered::Unknown, _) | (_, Answered::Unknown) => Answered::Unknown,
        }
    }

    /// Known.
    pub fn known(yes: bool) -> Answered {
        if yes { Answered::Yes } else { Answered::No }
    }
}

impl<'p> Planned<'p> {
    /// The members `after` and `after_unknown` of a change.
    pub fn new(after: Option<&'p Json>, unknown: Option<&'p Json>) -> Planned<'p> {
        Planned { after: after.filter(|value| !value.is_null()), unknown }
    }

    /// A member; of an unknown object every member is unknown.
    #[inline(never)]
    pub fn get(self, name: &str) -> Planned<'p> {
        let member = |object: Option<&'p Json>| object.and_then(|object| object.get(name));
        let unknown = if self.is_unknown() { self.unknown } else { member(self.unknown) };
        Planned::new(member(self.after), unknown)
    }

    /// The items of a list or of repeated blocks; a single object is a list of one.
    pub fn items(self) -> impl Iterator<Item = Planned<'p>> {
        let after = list(self.after);
        let unknown = list(self.unknown.filter(|unknown| unknown.as_bool().is_none()));
        (0..after.len().max(unknown.len())).map(move |n| {
            let unknown = if self.is_unknown() { self.unknown } else { unknown.get(n) };
            Planned::new(after.get(n), unknown)
        })
    }

    /// Whether the whole value is known only after apply.
    pub fn is_unknown(self) -> bool {
        self.unknown.and_then(Json::as_bool) == Some(true)
    }

    /// Whether there is nothing, known or not.
    pub fn is_absent(self) -> bool {
        self.after.is_none() && !self.is_unknown()
    }

    /// The text, where it is one and known.
    pub fn text(self) -> Option<&'p str> {
        self.after?.as_str()
    }

    /// The value, where it is known.
    pub fn value(self) -> Option<&'p Json> {
        self.after
    }

    /// Whether the value is what `test` looks for. Absent values are not.
    pub fn is(self, test: fn(&Json) -> bool) -> Answered {
        match self.after {
            _ if self.is_unknown() => Answered::Unknown,
            Some(value) => Answered::known(test(value)),
            None => Answered::No,
        }
    }

    /// Whether the value is `true`; some providers write it as text.
    pub fn is_true(self) -> Answered {
        self.is(|value| value.as_bool() == Some(true) || value.as_str() == Some("true"))
    }

    /// Whether the value is this text, in whatever case.
    #[inline(never)]
    pub fn is_text(self, text: &str) -> Answered {
        match self.after {
            _ if self.is_unknown() => Answered::Unknown,
            value => {
                Answered::known(value.and_then(Json::as_str).is_some_and(|value| value.eq_ignore_ascii_case(text)))
            }
        }
    }

    /// Whether the value is a text that `test` looks for, or a list with one.
    #[inline(never)]
    pub fn has(self, test: fn(&str) -> bool) -> Answered {
        if self.is_unknown() {
            return Answered::Unknown;
        }
        Answered::any(self.items().map(|item| match item.after {
            _ if item.is_unknown() => Answered::Unknown,
            value => Answered::known(value.and_then(Json::as_str).is_some_and(test)),
        }))
    }
}

/// Blocks come as lists, or as objects where a schema allows just one.
fn list(value: Option<&Json>) -> &[Json] {
    match value {
        Some(Json::Array(items)) => items,
        Some(Json::Null) | None => &[],
        Some(single) => std::slice::from_ref(single),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_parts_are_never_absent() {
        let after = Json::parse(r#"{"list": ["a", null], "object": {"known": 1}}"#).unwrap();
        let unknown = Json::parse(r#"{"list": [false, true], "object": {"member": true}, "whole": true}"#).unwrap();
        let planned = Planned::new(Some(&after), Some(&unknown));
        assert_eq!(planned.get("list").has(|text| text == "a"), Answered::Yes);
        assert_eq!(planned.get("list").has(|text| text == "b"), Answered::Unknown);
        assert_eq!(planned.get("object").get("member").is_true(), Answered::Unknown);
        assert_eq!(planned.get("object").get("other").is_true(), Answered::No);
        assert_eq!(planned.get("whole").get("inside").has(|_| true), Answered::Unknown);
        assert!(planned.get("none").is_absent() && !planned.get("whole").is_absent());
    }
}
