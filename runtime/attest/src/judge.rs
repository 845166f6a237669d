//! Whether a module has the signatures and reviews that a set's trust rules ask for.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use portcullis_gate::{PublicKey, Sha256, TrustRule};

use crate::evidence::{Evidence, Kind};

/// A key of a policy set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedKey {
    /// Its name in the set.
    pub name: String,
    /// The key.
    pub key: PublicKey,
    /// From then on nothing counts that it signed.
    pub not_after: Option<Timestamp>,
}

/// What a rule asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Needed {
    /// A signature by one of these keys.
    SignedBy(Vec<String>),
    /// Reviews by so many of these keys.
    ReviewedBy(u32, Vec<String>),
}

/// A rule that is not met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// What is asked for.
    pub needed: Needed,
    /// The names of the keys that gave it; fewer than needed.
    pub found: Vec<String>,
    /// Keys whose evidence does not count, and why.
    pub not_counted: Vec<(String, &'static str)>,
}

/// What of the rules a module lacks; empty: it has everything. `rules` are those that match the module, `evidence` is
/// what was verified of it with `keys`.
///
/// A key counts once for each rule, however many bundles it signed. A key that signed the module as its author does
/// not count as its reviewer. A key that has ended at `now` counts for nothing.
#[must_use]
pub fn judge<'r>(
    module: Sha256,
    rules: impl IntoIterator<Item = &'r TrustRule>,
    evidence: &[Evidence],
    keys: &[NamedKey],
    now: Timestamp,
) -> Vec<Unmet> {
    let of = |kind: Kind| -> BTreeSet<Sha256> {
        let found = evidence.iter().filter(|one| one.kind() == kind && one.module() == module);
        found.map(|one| one.key().id()).collect()
    };
    let (signed, reviewed) = (of(Kind::Signature), of(Kind::Review));
    let mut unmet = Vec::new();
    for rule in rules {
        let mut ask = |needed: Needed, names: &[String], given: &BTreeSet<Sha256>, any: usize| {
            let mut counted = BTreeSet::new();
            let (mut found, mut not_counted) = (Vec::new(), Vec::new());
            for key in keys.iter().filter(|key| names.contains(&key.name) && given.contains(&key.key.id())) {
                if key.not_after.is_some_and(|until| until <= now) {
                    not_counted.push((key.name.clone(), "the key has ended"));
                } else if matches!(needed, Needed::ReviewedBy(..)) && signed.contains(&key.key.id()) {
                    not_counted.push((key.name.clone(), "the key signed the module as its author"));
                } else if counted.insert(key.key.id()) {
                    found.push(key.name.clone());
                }
            }
            if counted.len() < any {
                unmet.push(Unmet { needed, found, not_counted });
            }
        };
        if !rule.signed_by.is_empty() {
            ask(Needed::SignedBy(rule.signed_by.clone()), &rule.signed_by, &signed, 1);
        }
        if let Some(reviewers) = &rule.reviewed_by {
            let any = usize::try_from(reviewers.any).unwrap_or(usize::MAX).max(1);
            ask(Needed::ReviewedBy(reviewers.any, reviewers.of.clone()), &reviewers.of, &reviewed, any);
        }
    }
    unmet
}

impl fmt::Display for Needed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Needed::SignedBy(names) if names.len() == 1 => write!(f, "a signature by {}", names.join(", ")),
            Needed::SignedBy(names) => write!(f, "a signature by one of {}", names.join(", ")),
            Needed::ReviewedBy(1, names) if names.len() == 1 => write!(f, "a review by {}", names.join(", ")),
            Needed::ReviewedBy(any, names) => write!(f, "reviews by {any} of {}", names.join(", ")),
        }
    }
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = if self.found.is_empty() { "none".to_owned() } else { self.found.join(", ") };
        write!(f, "needs {}, found {found}", self.needed)?;
        for (name, why) in &self.not_counted {
            write!(f, "; that of {name} does not count: {why}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
