use memchr::memmem;

use super::{Body, Event, MAX_EVENT_BYTES, PolicyFiles, WHAT};
use crate::canonical::{self, Numbers};
use crate::error::FormatError;

/// Reads events one after the other. Decisions of one policy set list the same policies, which are most of an event: they
/// are read once for as long as they stay the same.
#[derive(Default)]
pub(crate) struct Decoder {
    /// The last list, as it was written and read.
    written: Vec<u8>,
    policies: Vec<PolicyFiles>,
    /// An event without its list.
    without: Vec<u8>,
}

impl Decoder {
    /// As [`Event::decode`], and whether the event lists the policies of the one before.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> Result<(Event, bool), FormatError> {
        match self.in_parts(bytes) {
            Some(read) => Ok(read),
            // Whatever is unusual is read as a whole, also to say what is wrong.
            None => Ok((Event::decode(bytes)?, false)),
        }
    }

    /// Takes the policies out, reads what is left, and puts them in again. An event is its canonical form: where `A[]B` is
    /// the form of an event without policies and `P` that of a list, `APB` is that of the event with the list.
    fn in_parts(&mut self, bytes: &[u8]) -> Option<(Event, bool)> {
        let start = memmem::find(bytes, BEFORE_POLICIES)? + BEFORE_POLICIES.len();
        let (before, rest) = bytes.split_at_checked(start)?;
        let (list, after) = rest.split_at_checked(memmem::find(rest, BEHIND_POLICIES)? + 1)?;
        let repeated = list == self.written;
        if !repeated {
            let read = canonical::decode::<Vec<PolicyFiles>>(WHAT, list, Numbers::Integers, MAX_EVENT_BYTES);
            (self.policies, self.written) = (read.ok()?, list.to_vec());
        }
        self.without.clear();
        [before, b"[]", after].iter().for_each(|part| self.without.extend_from_slice(part));
        let mut event = Event::decode(&self.without).ok()?;
        match &mut event.body {
            Body::Decision(body) if body.policies.is_empty() => body.policies.clone_from(&self.policies),
            _ => return None,
        }
        (bytes.len() <= MAX_EVENT_BYTES && event.check().is_ok()).then_some((event, repeated))
    }
}

/// What stands before and behind the policies of a decision's event, and nowhere else in it: a text has no quotes that
/// are not escaped.
const BEFORE_POLICIES: &[u8] = br#"","policies":"#;
const BEHIND_POLICIES: &[u8] = br#"],"policy_set":{"#;
