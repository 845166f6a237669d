//! A place in the object under review: a value with its pointer.
//!
//! A member of another type than Kubernetes gives it is remembered as malformed, never taken for absent.

use std::cell::RefCell;

use portcullis_policy::prelude::*;

/// Where in the request something is, and what is there.
#[derive(Clone)]
pub struct Place<'p> {
    value: Option<&'p Json>,
    /// A JSON pointer into the request.
    pub at: String,
    malformed: &'p RefCell<Vec<Malformed>>,
}

/// A member of another type than expected.
pub struct Malformed {
    /// Where.
    pub at: String,
    /// What it must be.
    pub expected: &'static str,
}

impl<'p> Place<'p> {
    /// The root of an object, whose pointer into the request is `at`.
    pub fn new(value: &'p Json, at: &str, malformed: &'p RefCell<Vec<Malformed>>) -> Place<'p> {
        Place { value: Some(value), at: at.to_owned(), malformed }
    }

    /// A member of an object. Names hold neither `~` nor `/`.
    #[inline(never)]
    pub fn get(&self, name: &str) -> Place<'p> {
        let value = match self.value {
            Some(Json::Object(_)) => self.value.and_then(|object| object.get(name)).filter(|value| !value.is_null()),
            Some(_) => self.refuse("an object"),
            None => None,
        };
        Place { value, at: format!("{}/{name}", self.at), malformed: self.malformed }
    }

    /// A member some levels down: `spec/template/spec`.
    pub fn down(&self, path: &str) -> Place<'p> {
        path.split('/').filter(|name| !name.is_empty()).fold(self.clone(), |place, name| place.get(name))
    }

    /// The items of a list; none where there is no list.
    #[inline(never)]
    pub fn items(&self) -> Vec<Place<'p>> {
        let items = match self.value {
            Some(Json::Array(items)) => items.iter(),
            Some(_) => {
                self.refuse::<()>("a list");
                return Vec::new();
            }
            None => return Vec::new(),
        };
        let place =
            |(n, value)| Place { value: Some(value), at: format!("{}/{n}", self.at), malformed: self.malformed };
        items.enumerate().map(place).collect()
    }

    /// A boolean, where there is one.
    #[inline(never)]
    pub fn boolean(&self) -> Option<bool> {
        match self.value? {
            Json::Boolean(value) => Some(*value),
            _ => self.refuse("true or false"),
        }
    }

    /// An integer, where there is one.
    #[inline(never)]
    pub fn integer(&self) -> Option<i64> {
        match self.value? {
            Json::Integer(value) => Some(*value),
            _ => self.refuse("an integer"),
        }
    }

    /// A text, where there is one.
    #[inline(never)]
    pub fn text(&self) -> Option<&'p str> {
        match self.value? {
            Json::Text(value) => Some(value),
            _ => self.refuse("a string"),
        }
    }

    /// Whether there is something other than null.
    pub fn is_there(&self) -> bool {
        self.value.is_some()
    }

    fn refuse<T>(&self, expected: &'static str) -> Option<T> {
        let mut malformed = self.malformed.borrow_mut();
        if malformed.iter().all(|known| known.at != self.at) {
            malformed.push(Malformed { at: self.at.clone(), expected });
        }
        None
    }
}
