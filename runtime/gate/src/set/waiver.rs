//! Waivers: the only way to relax a finding or a fault.

use jiff::Timestamp;

use super::when::{Absent, When};
use crate::outcome::Outcome;
use crate::request::Request;

/// A finding or fault of one policy, relaxed for a time, by someone, for a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiver {
    /// The policy, by its place among the set's policies.
    pub policy: usize,
    /// The finding's code, or the fault's.
    pub code: String,
    /// Which requests. A field that the request lacks never matches here, whatever the set's `absent` says: leaving a
    /// field out must not relax anything.
    pub when: When,
    /// What the finding counts as at most.
    pub becomes: Outcome,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// When it ends: it applies before this time, and not from it on.
    pub until: Timestamp,
}

impl Waiver {
    /// Whether it has ended.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.until
    }

    /// Whether it concerns the request now.
    #[must_use]
    pub fn concerns(&self, request: &Request) -> bool {
        !self.is_expired(request.now()) && self.when.matches(request, Absent::Skip)
    }
}
